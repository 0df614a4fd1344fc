// What was seen of a service that ran live: its charts, with the knobs that were turned, and these as a table.
import {h} from '../../report/page/dom.js';
import {chartsOf} from './live_charts.js';
import {History} from './live_history.js';
import {changeText, clock} from './live_text.js';
import {table} from '../../report/page/table.js';
import {onTheme} from '../../report/page/theme.js';
import './live.css';

function marksTable({marks}) {
  if (marks.length === 0) return null;
  return table({
    caption: 'What was changed while it ran',
    columns: [{name: 'at', text: clock}, {name: 'what', words: true}, {name: 'change', words: true}],
    rows: marks.map((mark) => [mark.t, mark.name, changeText(mark)]),
  });
}

export function seenSection(lab) {
  const history = new History();
  history.begin({...lab.main.live, end: null});
  const seconds = Math.ceil(history.t.at(-1) - history.t[0]);
  const charts = chartsOf(history);
  const place = h('div', {class: 'charts'}, charts.map((chart) => chart.element));
  // What has been drawn is drawn again wherever it is: it has another colour or width now.
  const draw = () => charts.forEach((chart) => chart.draw(seconds, {unseen: chart.isDrawn()}));
  new ResizeObserver(draw).observe(place);
  onTheme(draw);
  window.addEventListener('scroll', () => charts.filter((chart) => !chart.isDrawn()).forEach((chart) => chart.draw(seconds)), {passive: true});
  window.addEventListener('beforeprint', () => charts.forEach((chart) => chart.draw(seconds, {unseen: true})));
  return [place, marksTable(history)];
}
