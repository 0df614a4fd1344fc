// Allocators against each other: work done for a second of CPU against memory held, of all arms of a lab.
import {figure} from './figures.js';
import {mb, number} from './format.js';
import {fixesText, isOutOfMemory, outcomeText} from './results.js';
import {theme} from './theme.js';

const symbols = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'pin'];

// The next of 1, 2, 5, 10, … below or above, for the ends of a logarithmic axis.
function roundEnd(value, isUpper) {
  const decade = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 2, 5, 10].map((step) => step * decade);
  return isUpper ? steps.find((step) => step > value) : steps.findLast((step) => step < value) ?? decade / 2;
}

export function matrixFigure(lab) {
  const arms = lab.results.filter((one) => !one.result.ablation).flatMap((one) => one.result.arms)
    .filter((arm) => arm.cpu_seconds > 0 && arm.input.operations > 0);
  const allocators = [...new Set(arms.map((arm) => arm.allocator.name))];
  if (allocators.length < 2) return null;
  const points = arms.map((arm) => ({arm, throughput: arm.input.operations / arm.cpu_seconds, peak: arm.memory.peak_rss}));
  const operation = lab.description?.operation ?? 'operation';
  const setsOfFixes = [...new Set(arms.map((arm) => fixesText(arm.fixes)))];
  const colour = (fixes) => (fixes === 'none' ? theme().before : setsOfFixes.indexOf(fixes) >= 0 && fixes.includes(',') ? theme().after : theme().other[0]);
  return figure({
    id: `${lab.name}-allocators`,
    title: 'Allocators: throughput against memory',
    caption: `Up and to the left is better. Throughput is ${operation}s a second of CPU; memory is the peak of RSS, on a logarithmic scale. ✖: the arm ran out of memory.`,
    height: 380,
    option: (colours, narrow) => ({
      grid: {left: 64, right: narrow ? 24 : 90, top: 40, bottom: 44},
      legend: {show: false},
      xAxis: {type: 'log', min: roundEnd(Math.min(...points.map(({peak}) => peak / 1e6)), false), max: roundEnd(Math.max(...points.map(({peak}) => peak / 1e6)), true), name: 'peak RSS, MB', nameLocation: 'middle', nameGap: 28, splitLine: {show: true, lineStyle: {color: colours.faint}},
        axisLabel: {formatter: (x) => Math.round(x).toLocaleString('en-US')}},
      yAxis: {type: 'value', name: `${operation}s / CPU s`, min: 0, axisLabel: {formatter: (y) => y.toLocaleString('en-US')}},
      tooltip: {trigger: 'item', formatter: (p) => p.value[2]},
      series: [{type: 'scatter', symbolSize: 13, labelLayout: {moveOverlap: 'shiftY'}, data: points.map(({arm, throughput, peak}) => ({
        value: [peak / 1e6, throughput, `${arm.allocator.name}, fixes ${fixesText(arm.fixes)}: ${number(Math.round(throughput))} ${operation}s a CPU second, ${mb(peak)}, ${outcomeText(arm)}`],
        symbol: symbols[allocators.indexOf(arm.allocator.name) % symbols.length],
        itemStyle: {color: colour(fixesText(arm.fixes))},
        label: {show: true, position: 'right', color: colours.ink, fontSize: 11,
          formatter: `${arm.allocator.name}${arm.fixes.length === 0 ? ', no fix' : ''}${isOutOfMemory(arm) ? ' ✖' : ''}`},
      }))}],
    }),
    data: () => ({
      caption: 'Allocators: throughput against memory',
      columns: [{name: 'allocator', words: true}, {name: 'fixes', words: true}, {name: 'hours', text: number}, {name: 'outcome', words: true}, {name: 'peak RSS', text: mb},
        {name: `${operation}s a CPU second`, text: number}, {name: 'p99, µs', text: number}],
      rows: points.map(({arm, throughput, peak}) => [arm.allocator.name, fixesText(arm.fixes), arm.simulated_seconds / 3600, outcomeText(arm), peak, throughput, arm.latency_us.p99]),
    }),
  });
}
