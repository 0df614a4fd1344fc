// Where RSS is: the parts from what the program asked for to what the kernel counts, stacked over time, one chart an arm.
import {h} from './dom.js';
import {figure} from './figures.js';
import {bytes, duration, mb, timeAxis, timeUnit} from './format.js';
import {measuredParts} from './results.js';
import {table} from './table.js';
import {colourOfPart} from './theme.js';

function stackFigure(lab, arm) {
  const series = arm.memory.series;
  const unit = timeUnit(series.at(-1).t);
  const known = measuredParts(lab.main, series);
  const drawn = known.filter((part) => series.some((s) => s.parts[part.id] > 0));  // what never was has no colour in the legend
  const end = series.at(-1);
  return figure({
    id: `${lab.name}-waterfall-${arm.name}`,
    title: `${arm.name}: where its ${mb(end.rss)} are`,
    caption: 'The line is RSS; where the stack rises above it, pages were given out and never touched. The scale is this arm’s own.',
    height: 340,
    narrowHeight: 380,
    option: (colours, narrow) => ({
      grid: {left: 56, right: narrow ? 16 : 190, top: narrow ? 110 : 28, bottom: 44},
      xAxis: timeAxis(end.t),
      yAxis: {type: 'value', name: 'MB', min: 0, axisLabel: {formatter: (y) => y.toLocaleString('en-US')}},
      tooltip: {formatter: (points) => {
        const s = series[points[0].dataIndex];
        return [`<b>${duration(s.t)}: RSS ${mb(s.rss)}</b>`,
          ...[...known].reverse().map((part) => `${part.name}: ${mb(s.parts[part.id])}`)].join('<br>');
      }},
      series: [
        ...drawn.map((part) => ({
          name: part.name, type: 'line', stack: 'rss', symbol: 'none', color: colourOfPart(part.id),
          lineStyle: {width: 0}, areaStyle: {opacity: 0.92},
          data: series.map((s) => [s.t / unit.seconds, Math.max(s.parts[part.id] ?? 0, 0) / 1e6]),
          endLabel: {show: !narrow && Math.max(end.parts[part.id] ?? 0, 0) > 0, color: colours.ink, fontSize: 11,
            formatter: () => `${part.name} ${mb(end.parts[part.id])}`},
          labelLayout: {moveOverlap: 'shiftY'},
        })),
        {name: 'RSS', type: 'line', symbol: 'none', color: colours.ink, lineStyle: {width: 1.5}, z: 5,
          data: series.map((s) => [s.t / unit.seconds, s.rss / 1e6])},
      ],
    }),
    data: () => ({
      caption: `${arm.name}: RSS and its parts over simulated time`,
      columns: [{name: 'simulated s', text: (t) => t.toFixed(0)}, {name: 'RSS', text: bytes}, ...known.map((part) => ({name: part.name, text: bytes}))],
      rows: series.map((s) => [s.t, s.rss, ...known.map((part) => s.parts[part.id])]),
    }),
  });
}

export function waterfallSection(lab, isOverTime) {
  const ends = lab.arms.map((arm) => arm.memory.series.at(-1));
  return [
    isOverTime ? h('div', {class: 'pair'}, lab.arms.map((arm) => stackFigure(lab, arm))) : null,
    table({
      caption: 'Where RSS is at the end, and what can close each part',
      columns: [{name: 'part', words: true}, ...lab.arms.map((arm) => ({name: arm.name, text: mb})), {name: 'what it is', words: true},
        {name: 'what closes it', words: true}, {name: 'what does not', words: true}],
      rows: [...measuredParts(lab.main, ends).map((part) => [part.name, ...ends.map((end) => end.parts[part.id]), part.meaning, part.closed_by, part.not_closed_by]),
        ['= RSS', ...ends.map((end) => end.rss), '', '', '']],
      rowClass: (row) => (row[0] === '= RSS' ? 'sum' : null),
    }),
  ];
}
