// What a lab concluded: one line, its table, and what had been predicted.
import {h} from './dom.js';
import {figure} from './figures.js';
import {duration, mb, microseconds, number, percent} from './format.js';
import {isOutOfMemory, outcomeText} from './results.js';
import {table} from './table.js';

const holdsText = (holds) => (holds === null ? '–' : holds ? '✓ yes' : '✗ no');

export function verdictLine(lab) {
  const verdict = lab.main.verdict;
  if (!verdict) return null;
  const judged = verdict.rows.filter((row) => row.holds !== null);
  const met = judged.filter((row) => row.holds).length;
  const open = verdict.rows.filter((row) => row.target !== null && row.holds === null).length;
  return h('p', {class: 'verdict'},
    h('span', {class: `badge ${verdict.holds ? 'good' : 'bad'}`}, verdict.holds ? '✓ Verdict: holds' : '✗ Verdict: does not hold'),
    ` ${met} of ${judged.length} targets met${open > 0 ? `; ${open} could not be judged in this run` : ''}.`);
}

export function outcomeLines(lab) {
  return h('ul', {class: 'outcomes'}, lab.main.arms.map((arm) => h('li', {},
    h('b', {}, arm.name), ` (fixes: ${arm.fixes.length === 0 ? 'none' : arm.fixes.join(', ')}): ${outcomeText(arm)} after ${lab.main.live ? duration(arm.wall_seconds) : `${duration(arm.simulated_seconds)} of simulated time`}` +
    `${isOutOfMemory(arm) ? ` at ${mb(arm.memory.series.at(-1).rss)}` : `, peak RSS ${mb(arm.memory.peak_rss)}`}` +
    (lab.measuresPauses && arm.pauses ? `, longest pause ${number(arm.pauses.max_ms)} ms` : '') + `, p99 ${microseconds(arm.latency_us.p99)}.`)));
}

export function verdictTable(lab) {
  const name = (row) => (row.unit ? `${row.metric}, ${row.unit}` : row.metric);
  const target = (row) => (row.target === null ? row.relation || '–' : `${row.relation} ${number(row.target)}`);
  return table({
    caption: 'Before, after, and what was to be met',
    columns: [{name: 'metric', words: true}, {name: 'before', text: number}, {name: 'after', text: number}, {name: 'improvement', text: percent},
      {name: 'target', words: true}, {name: 'holds', text: holdsText, words: true}, {name: 'note', words: true}],
    rows: lab.main.verdict.rows.map((row) => [name(row), row.before, row.after, row.improvement, target(row), row.holds, row.note]),
    rowClass: (row) => (row[5] === null ? null : row[5] ? 'holds' : 'fails'),
  });
}

// The ratio is the one scale on which figures of different units can be compared.
export function predictionsSection(lab) {
  const all = lab.results.flatMap((one) => one.result.predictions);
  const measured = all.filter((p) => p.measured !== null && p.predicted !== 0);
  if (all.length === 0) return null;
  const label = (p) => `${p.arm}: ${p.metric}`;
  const error = (p) => (p.measured === null ? null : (p.predicted / p.measured - 1) * 100);
  const shown = table({
    caption: 'Predicted before the run, and measured in it',
    columns: [{name: 'arm', words: true}, {name: 'what', words: true}, {name: 'unit', words: true}, {name: 'predicted', text: number}, {name: 'measured', text: number}, {name: 'error', text: percent}],
    rows: all.map((p) => [p.arm, p.metric, p.unit, p.predicted, p.measured, error(p)]),
  });
  if (measured.length === 0) return [shown];
  const furthest = Math.ceil(Math.max(8, ...measured.map((p) => Math.abs(error(p)))) / 5 + 0.5) * 5;
  return [figure({
    id: `${lab.name}-predictions`,
    title: 'Error of the predictions',
    caption: 'Predicted against measured, in percent: at zero the prediction was exact.',
    height: 70 + 30 * measured.length,
    narrowHeight: 70 + 44 * measured.length,
    option: (colours, narrow) => ({
      grid: {left: narrow ? 150 : 320, right: 60, top: 12, bottom: 44},
      legend: {show: false},
      xAxis: {type: 'value', min: -furthest, max: furthest, name: '%', nameLocation: 'middle', nameGap: 28, axisLabel: {formatter: (x) => number(Math.round(x))},
        splitLine: {show: true, lineStyle: {color: colours.faint}}},
      yAxis: {type: 'category', inverse: true, data: measured.map(label), splitLine: {show: false},
        axisLabel: {color: colours.ink, hideOverlap: false, width: narrow ? 140 : 310, overflow: 'break', fontSize: narrow ? 10 : 12}},
      tooltip: {trigger: 'item', formatter: (p) => `${label(measured[p.dataIndex])}: ${percent(error(measured[p.dataIndex]))}`},
      series: [{type: 'scatter', symbolSize: 11, color: colours.after, data: measured.map((p) => error(p)),
        label: {show: true, position: 'right', color: colours.ink, formatter: (p) => percent(p.value)},
        markLine: {silent: true, symbol: 'none', label: {show: false}, lineStyle: {color: colours.muted, type: 'solid'}, data: [{xAxis: 0}]}}],
    }),
  }), shown];
}
