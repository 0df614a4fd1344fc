// How much the general heap is asked for, over time. Before and after lie decades apart, so the scale is logarithmic.
import {figure} from './figures.js';
import {bytes, duration, timeAxis, timeUnit} from './format.js';
import {colourOf} from './theme.js';

const floor = 1;  // bytes a second: nothing at all has no place on a logarithmic scale

export function rateFigure(lab) {
  const rates = lab.arms.map((arm) => ({arm, rate: arm.allocation.rate_series})).filter(({rate}) => rate.length > 0);
  if (rates.length === 0) return null;
  const longest = Math.max(...rates.map(({arm}) => arm.memory.series.at(-1).t));
  const unit = timeUnit(longest);
  return figure({
    id: `${lab.name}-rate`,
    title: 'Allocation rate over simulated time',
    caption: 'Bytes asked of the general heap in a simulated second, on a logarithmic scale; none at all is drawn at 1 B/s.',
    option: (colours, narrow) => ({
      grid: {left: 64, right: narrow ? 16 : 150, top: narrow ? 48 : 28, bottom: 44},
      xAxis: timeAxis(longest),
      yAxis: {type: 'log', name: 'a second', min: floor, axisLabel: {formatter: (y) => bytes(y)}},
      tooltip: {formatter: (points) => [duration(points[0].value[0] * unit.seconds),
        ...points.map((p) => `${p.marker}${p.seriesName}: ${bytes(p.value[2])}/s`)].join('<br>')},
      series: rates.map(({arm, rate}, i) => ({
        name: arm.name, type: 'line', showSymbol: false, color: colourOf(arm.name, i), lineStyle: {width: 2},
        data: rate.map(([t, bytesPerSecond]) => [t / unit.seconds, Math.max(bytesPerSecond, floor), bytesPerSecond]),
        endLabel: {show: !narrow, color: colourOf(arm.name, i), fontWeight: 600,
          formatter: () => `${arm.name}: mean\n${bytes(arm.allocation.bytes_per_simulated_second)}/s`},
      })),
    }),
    data: () => ({
      caption: 'Allocation rate over simulated time',
      columns: [{name: 'arm', words: true}, {name: 'simulated s', text: (t) => t.toFixed(0)}, {name: 'bytes a simulated second', text: bytes}],
      rows: rates.flatMap(({arm, rate}) => rate.map(([t, bytesPerSecond]) => [arm.name, t, bytesPerSecond])),
    }),
  });
}
