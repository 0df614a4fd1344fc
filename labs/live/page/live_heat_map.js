// Latencies over time: a cell for each span of time and bin of latency, the darker the more operations.
import {microseconds, number} from '../../report/page/format.js';
import {clock} from './live_text.js';
import {theme} from '../../report/page/theme.js';

const spans = 120;
const bins_per_decade = 5;

// [begin, length, bin, count], of what is not empty.
function cells(history, {from, to, first}) {
  const length = (to - from) / spans;
  const counts = new Map();
  for (let i = first; i < history.t.length; ++i) {
    const span = Math.floor(history.t[i] / length);
    history.latency[i].forEach((count, bin) => {
      if (count === 0) return;
      const key = span * 1000 + bin;
      counts.set(key, (counts.get(key) ?? 0) + count);
    });
  }
  return [...counts].map(([key, count]) => [Math.floor(key / 1000) * length, length, key % 1000, count]);
}

const edgeTextOf = (edges) => (y) => (edges[y - 1] === undefined ? '' : microseconds(edges[y - 1]));
const binText = (edges, bin) => `${edgeTextOf(edges)(bin) || '0'} to ${edgeTextOf(edges)(bin + 1)}`;

export function heatTable(history, span) {
  return {
    caption: 'Operations by latency over time',
    columns: [{name: 'from', text: clock}, {name: 'latency', words: true}, {name: 'operations', text: number}],
    rows: cells(history, span).map(([begin, , bin, count]) => [begin, binText(history.edges, bin), count]),
  };
}

export function heatMap(history, span, markLine) {
  const all = cells(history, span);
  const used = all.map(([, , bin]) => bin);
  const most = Math.max(1, ...all.map(([, , , count]) => count));
  // Bin b ends at edge b, which stands at b + 1; ticks are at whole decades.
  const decade = (bin, round) => round((bin - 1) / bins_per_decade) * bins_per_decade + 1;
  const edges = history.edges;
  const edgeText = edgeTextOf(edges);
  const colour = theme().after;
  return {
    grid: {left: 64, right: 12, top: 10, bottom: 24},
    legend: {show: false},
    xAxis: {type: 'value', min: span.from, max: span.to, axisLabel: {formatter: clock, showMinLabel: false, showMaxLabel: false}},
    yAxis: {type: 'value', min: all.length ? decade(Math.min(...used), Math.floor) : 1, max: all.length ? decade(Math.max(...used) + 1, Math.ceil) : 6,
      interval: bins_per_decade, axisLabel: {formatter: edgeText}},
    tooltip: {trigger: 'item', formatter: ({value: [begin, , bin, count]}) => `<b>${clock(begin)}</b><br>${binText(edges, bin)}: ${number(count)}`},
    series: [
      {type: 'custom', name: 'operations', data: all, encode: {x: 0, y: 2}, clip: true,
        renderItem: (params, api) => {
          const [x, y] = api.coord([api.value(0), api.value(2) + 1]);
          const [width, cellHeight] = api.size([api.value(1), 1]);
          const share = Math.sqrt(api.value(3) / most);
          const alpha = Math.round((0.12 + 0.88 * share) * 255).toString(16).padStart(2, '0');
          return {type: 'rect', shape: {x, y, width: width + 0.5, height: cellHeight}, style: {fill: `${colour}${alpha}`}};
        }},
      {type: 'line', name: 'changes', data: [], markLine},
    ],
  };
}
