// Latencies: by percentile to the slowest, and over time with the pauses marked.
import {figure} from './figures.js';
import {duration, microseconds, number, timeAxis, timeUnit} from './format.js';
import {percentiles} from './results.js';
import {colourOf} from './theme.js';

const named = [['p50', 'p50'], ['p90', 'p90'], ['p95', 'p95'], ['p99', 'p99'], ['p99.9', 'p999'], ['p99.99', 'p9999']];

// 1000: "p99.9"
const percentileName = (x) => (x < 1.5 ? '0' : x < 5 ? 'p50' : `p${+(100 * (1 - 1 / x)).toFixed(6)}`);

export function percentileFigure(lab) {
  const arms = lab.arms.filter((arm) => arm.latency_us.count > 0);
  if (arms.length === 0) return null;
  const lines = arms.flatMap((arm, i) => [
    {name: arm.name, latency: arm.latency_us, colour: () => colourOf(arm.name, i), width: 2.5},
    ...(arm.hiccup_us.count > 0 ? [{name: `machine beside ${arm.name}`, latency: arm.hiccup_us, colour: (t) => t.machine, dashed: true, width: 1.2}] : []),
  ]);
  const most = Math.max(...lines.map((line) => line.latency.count));
  return figure({
    id: `${lab.name}-percentiles`,
    title: 'Latency by percentile, to the slowest',
    caption: 'Wall clock from the intended start, so that a stall counts for all that queued behind it. Dashed: a thread outside that only wakes up, ' +
      'what the machine itself adds; it is shown and never subtracted. Both scales are logarithmic; each line ends at its slowest.',
    height: 360,
    option: (colours, narrow) => ({
      grid: {left: 64, right: narrow ? 16 : 190, top: narrow ? 84 : 28, bottom: 44},
      xAxis: {type: 'log', min: 1, max: 10 ** Math.ceil(Math.log10(most)), name: 'percentile', nameLocation: 'middle', nameGap: 28,
        axisLabel: {formatter: (x) => (x === 1 ? 'p0' : percentileName(x))}, splitLine: {show: true, lineStyle: {color: colours.faint}}},
      yAxis: {type: 'log', name: 'latency', axisLabel: {formatter: (y) => microseconds(y)}},
      tooltip: {formatter: (points) => [percentileName(points[0].value[0]),
        ...points.map((p) => `${p.marker}${p.seriesName}: ${microseconds(p.value[1])}`)].join('<br>')},
      series: lines.map((line) => ({
        name: line.name, type: 'line', step: 'end', showSymbol: false, color: line.colour(colours),
        lineStyle: {width: line.width, type: line.dashed ? 'dashed' : 'solid'},
        data: percentiles(line.latency),
        endLabel: {show: !narrow, color: line.dashed ? colours.muted : line.colour(colours), fontWeight: line.dashed ? 400 : 600, fontSize: 11,
          formatter: () => `${line.name}\nmax ${microseconds(line.latency.max)}`},
        labelLayout: {moveOverlap: 'shiftY'},
      })),
    }),
    data: () => ({
      caption: 'Latency by percentile',
      columns: [{name: 'line', words: true}, ...named.map(([name]) => ({name, text: microseconds})), {name: 'max', text: microseconds}, {name: 'operations', text: number}],
      rows: lines.map(({name, latency}) => [name,
        ...named.map(([, key]) => latency[key]), latency.max, latency.count]),
    }),
  });
}

const causesOf = (arms) => [...new Set(arms.flatMap((arm) => Object.keys(arm.pauses?.by_cause ?? {})))];
const causeName = (cause) => cause.replaceAll('_', ' ');
const symbols = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'pin', 'arrow'];

// p99 of every interval, and each pause as a mark.
export function latencyOverTimeFigure(lab, className) {
  const arms = lab.main.arms.filter((arm) => arm.latency_series?.length > 0 || arm.pauses?.series?.length > 0);
  if (arms.length === 0) return null;
  const longest = Math.max(...arms.flatMap((arm) => [arm.wall_seconds, arm.latency_series?.at(-1)?.t ?? 0]));
  const unit = timeUnit(longest);
  const causes = causesOf(arms);
  const at = (t) => t / unit.seconds;
  return figure({
    id: `${lab.name}-latency`,
    className,
    title: 'Latency over time, and the pauses in it',
    caption: 'Lines: p99 of each interval; marks: single pauses, by cause. The scale is logarithmic.',
    height: 400,
    narrowHeight: 380,
    option: (colours, narrow) => ({
      grid: {left: 64, right: narrow ? 16 : 150, top: narrow ? 110 : 56, bottom: 44},
      legend: {show: true, selectedMode: true, icon: undefined},
      xAxis: timeAxis(longest, 'wall-clock '),
      yAxis: {type: 'log', name: 'ms', axisLabel: {formatter: (y) => number(y)}},
      tooltip: {trigger: 'item', formatter: (p) => `${p.seriesName}<br>at ${duration(p.value[0] * unit.seconds)}: ${number(p.value[1])} ms`},
      series: arms.flatMap((arm, i) => [
        {name: `${arm.name}, p99`, type: 'line', showSymbol: false, color: colourOf(arm.name, i), lineStyle: {width: 1.5, opacity: 0.75},
          data: (arm.latency_series ?? []).filter((s) => s.p99_us > 0).map((s) => [at(s.t), s.p99_us / 1e3]),
          endLabel: {show: !narrow, color: colourOf(arm.name, i), fontWeight: 600, formatter: () => `${arm.name}: p99\n${microseconds(arm.latency_us.p99)} in all`},
          labelLayout: {moveOverlap: 'shiftY'}},
        ...causes.map((cause, c) => ({
          name: `${arm.name}: ${causeName(cause)}`, type: 'scatter', symbol: symbols[c % symbols.length], symbolSize: cause === 'machine' ? 4 : 9, z: cause === 'machine' ? 1 : 4,
          // What the machine did is no fault of the arm's, and there may be much of it.
          itemStyle: cause === 'machine' ? {color: colours.machine, opacity: 0.5} : {color: colourOf(arm.name, i), borderColor: colours.surface, borderWidth: 1},
          data: (arm.pauses?.series ?? []).filter((p) => p[2] === cause && p[1] > 0).map((p) => [at(p[0]), p[1]]),
        })).filter((series) => series.data.length > 0),
      ]),
    }),
    data: () => ({
      caption: 'Latency of each interval',
      columns: [{name: 'arm', words: true}, {name: 's', text: number}, {name: 'p50', text: microseconds}, {name: 'p99', text: microseconds}, {name: 'max', text: microseconds}],
      rows: arms.flatMap((arm) => (arm.latency_series ?? []).map((s) => [arm.name, s.t, s.p50_us, s.p99_us, s.max_us])),
    }),
  });
}

// Who paid for the pauses: total time by cause.
export function pauseCausesFigure(lab) {
  const arms = lab.main.arms.filter((arm) => arm.pauses);
  const causes = causesOf(arms);
  if (causes.length === 0) return null;
  return figure({
    id: `${lab.name}-pauses`,
    title: 'Total time in pauses, by cause',
    caption: arms.map((arm) => `${arm.name}: ${number(arm.pauses.count)} pauses` +
      (arm.pauses.threshold_us ? ` of more than ${microseconds(arm.pauses.threshold_us)}` : '') +
      (arm.pauses.mean_period_s ? `, one every ${number(arm.pauses.mean_period_s)} s` : '') +
      `, the longest ${number(arm.pauses.max_ms)} ms.`).join(' '),
    height: 80 + 56 * arms.length,
    narrowHeight: 120 + 56 * arms.length,
    option: (colours, narrow) => ({
      grid: {left: 80, right: 24, top: narrow ? 80 : 36, bottom: 44},
      legend: {show: true},
      xAxis: {type: 'value', name: 'ms', nameLocation: 'middle', nameGap: 28, splitLine: {show: true, lineStyle: {color: colours.faint}}},
      yAxis: {type: 'category', inverse: true, data: arms.map((arm) => arm.name), splitLine: {show: false}, axisLabel: {color: colours.ink}},
      tooltip: {axisPointer: {type: 'shadow'}, valueFormatter: (v) => `${number(v)} ms`},
      series: causes.map((cause, c) => ({name: causeName(cause), type: 'bar', stack: 'all', barMaxWidth: 28, color: colours.causes[cause] ?? colours.other[c % colours.other.length],
        data: arms.map((arm) => arm.pauses.by_cause[cause] ?? 0)})),
    }),
    data: () => ({
      caption: 'Pauses, in ms',
      columns: [{name: 'arm', words: true}, {name: 'count', text: number}, {name: 'mean period, s', text: number}, {name: 'p50', text: number}, {name: 'max', text: number},
        {name: 'total', text: number}, ...causes.map((cause) => ({name: causeName(cause), text: number}))],
      rows: arms.map((arm) => [arm.name, arm.pauses.count, arm.pauses.mean_period_s, arm.pauses.p50_ms, arm.pauses.max_ms, arm.pauses.total_ms,
        ...causes.map((cause) => arm.pauses.by_cause[cause])]),
    }),
  });
}
