// RSS over simulated time, with the limit and what came of it: the one picture of a lab whose memory grows.
import {figure} from './figures.js';
import {bytes, duration, mb, timeAxis, timeUnit} from './format.js';
import {isOutOfMemory, outcomeText} from './results.js';
import {colourOf} from './theme.js';

const inMb = (value) => value / 1e6;

export function growthFigure(lab, arms, className) {
  const longest = Math.max(...arms.map((arm) => arm.memory.series.at(-1).t));
  const unit = timeUnit(longest);
  const limits = [...new Set(arms.map((arm) => arm.limit.bytes).filter((limit) => limit !== null))];
  const killed = arms.filter(isOutOfMemory);
  return figure({
    id: `${lab.name}-rss`,
    className,
    title: 'Resident memory over simulated time',
    caption: `RSS as read from outside the process${limits.length ? '; the dashed line is the memory limit' : ''}.` +
      killed.map((arm) => ` ✖ ${arm.name}: ${outcomeText(arm)} (${arm.evidence || arm.limit.by}).`).join(''),
    height: 400,
    narrowHeight: 320,
    option: (colours, narrow) => ({
      grid: {left: 56, right: narrow ? 16 : 150, top: narrow ? 48 : 28, bottom: 44},
      xAxis: timeAxis(longest),
      yAxis: {type: 'value', name: 'MB', min: 0, max: limits.length ? (inMb(Math.max(...limits)) * 1.1).toFixed(0) : null,
        axisLabel: {showMaxLabel: limits.length === 0, formatter: (y) => y.toLocaleString('en-US')}},
      tooltip: {formatter: (points) => [`${duration(points[0].value[0] * unit.seconds)}`,
        ...points.map((p) => `${p.marker}${p.seriesName}: ${mb(p.value[1] * 1e6)}`)].join('<br>')},
      series: [
        ...arms.map((arm, i) => ({
          name: arm.name, type: 'line', showSymbol: false, color: colourOf(arm.name, i), lineStyle: {width: 2.5},
          data: arm.memory.series.map((s) => [s.t / unit.seconds, inMb(s.rss)]),
          endLabel: {show: !narrow && !isOutOfMemory(arm), color: colourOf(arm.name, i), fontWeight: 600,
            formatter: () => `${arm.name}: ${mb(arm.memory.series.at(-1).rss)}`},
          markLine: i > 0 ? undefined : {silent: true, symbol: 'none', animation: false,
            lineStyle: {type: 'dashed', color: colours.limit, width: 1.5},
            label: {color: colours.muted, position: 'insideEndTop'},
            data: limits.map((limit) => ({yAxis: inMb(limit), label: {formatter: `memory limit ${mb(limit)}`}}))},
        })),
        ...killed.map((arm) => {
          const last = arm.memory.series.at(-1);
          const colour = colourOf(arm.name, arms.indexOf(arm));
          const leftHalf = last.t < longest * 0.6;
          return {name: `${arm.name} ended`, type: 'scatter', symbolSize: 14, color: colour, z: 5, tooltip: {show: false},
            symbol: 'path://M2,0 L6,4 L10,0 L12,2 L8,6 L12,10 L10,12 L6,8 L2,12 L0,10 L4,6 L0,2 Z',
            data: [[last.t / unit.seconds, inMb(last.rss)]],
            label: {show: true, position: leftHalf ? 'right' : 'left', distance: 10, offset: [0, 14], color: colour, fontWeight: 600, align: leftHalf ? 'left' : 'right',
              formatter: `${arm.name}: ${outcomeText(arm)}\nafter ${duration(arm.simulated_seconds)} at ${mb(last.rss)}`}};
        }),
      ],
      legend: {data: arms.map((arm) => arm.name)},
    }),
    data: () => ({
      caption: 'RSS over simulated time',
      columns: [{name: 'arm', words: true}, {name: 'simulated s', text: (t) => t.toFixed(0)}, {name: 'RSS', text: bytes}, {name: 'limit', text: bytes}],
      rows: arms.flatMap((arm) => arm.memory.series.map((s) => [arm.name, s.t, s.rss, s.limit])),
    }),
  });
}
