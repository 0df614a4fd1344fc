// The live dashboard: a running service, its knobs, and what they do.
import {h} from '../../report/page/dom.js';
import {sentence} from '../../report/page/format.js';
import {chartsOf} from './live_charts.js';
import {figuresTable} from './live_figures.js';
import {History} from './live_history.js';
import {KnobPanel} from './live_knobs.js';
import {profilesSection} from './live_profiles.js';
import {listen} from './live_stream.js';
import {onTheme, setUpTheme} from '../../report/page/theme.js';
import '../../report/page/style.css';
import './live.css';

const element = (id) => document.getElementById(id);
const history = new History();
const panel = new KnobPanel(element('knobs'));
const figures = figuresTable(element('figures'), history);
let charts = [];
let isDue = true;

function greet(hello) {
  history.begin(hello);
  const name = hello.lab.replaceAll('_', ' ');
  document.title = `${name}, live`;
  element('lab').textContent = name;
  element('lab').title = sentence(hello.description ?? name);
  panel.begin(hello);
  charts.forEach((chart) => chart.remove());
  const openTables = [...document.querySelectorAll('#charts details[open]')].map((table) => table.closest('figure').id);
  charts = chartsOf(history);
  element('charts').replaceChildren(...charts.map((chart) => chart.element));
  openTables.forEach((id) => element(id)?.querySelector('details').setAttribute('open', ''));
  tellState();
}

function tellState(connection = 'open') {
  const state = element('state');
  const isOver = history.end !== null;
  state.className = `state ${isOver ? 'ended' : connection}`;
  state.textContent = isOver ? `✖ ${sentence(history.end.text)}` : connection === 'open' ? '● live' : '○ no connection; trying again';
}

listen('/live/stream', {
  hello: greet,
  sample: (sample) => history.add(sample),
  mark: (mark) => {
    history.mark(mark);
    panel.mark(mark);
  },
  knobs: (knobs) => panel.update(knobs),
  end: (end) => {
    history.end = end;
    tellState();
  },
}, tellState);

// What is in sight is drawn, a few times a second; over a long span a sample is less than a pixel.
function draw() {
  const seconds = Number(element('window').value);
  if (!document.hidden && history.isReady() && (isDue || history.changed)) {
    isDue = history.changed = false;
    charts.forEach((chart) => chart.draw(seconds));
    figures(seconds);
  }
  setTimeout(() => requestAnimationFrame(draw), seconds > 120 ? 1000 : 400);
}

const drawSoon = () => { isDue = true; };
setUpTheme(element('theme'));
onTheme(drawSoon);
element('window').addEventListener('change', drawSoon);
document.addEventListener('visibilitychange', drawSoon);
window.addEventListener('resize', drawSoon);
window.addEventListener('scroll', drawSoon, {passive: true});
element('profiles').append(profilesSection(history));
draw();
