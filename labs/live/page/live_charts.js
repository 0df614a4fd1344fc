// Charts of the running service: one for the columns of a group that have the same unit, and the latencies as a heat map.
import {CustomChart} from 'echarts/charts';
import * as echarts from 'echarts/core';
import {CanvasRenderer} from 'echarts/renderers';
import {h} from '../../report/page/dom.js';
import {styled} from '../../report/page/figures.js';
import {sentence} from '../../report/page/format.js';
import {heatMap, heatTable} from './live_heat_map.js';
import {clock, inUnit} from './live_text.js';
import {tableBehind} from '../../report/page/table.js';
import {colourOfPart, theme} from '../../report/page/theme.js';

echarts.use([CustomChart, CanvasRenderer]);

const height = 200;
const tall = 300;
const longest_gap_s = 2;  // between samples; over more, the service did not run

// A knob that was turned: a line through every chart; what it was stands at the first.
function markLine(history, from, withText) {
  const colours = theme();
  return {silent: true, symbol: 'none', animation: false, lineStyle: {color: colours.bad, width: 1, type: 'dashed'},
    label: {show: withText, color: colours.bad, backgroundColor: colours.surface, padding: [1, 3], fontSize: 11, position: 'insideEndTop', distance: 3, formatter: (p) => p.name},
    data: history.marks.filter((mark) => mark.t >= from).map((mark) => ({name: mark.knob.replace(/^fix-/, '').replaceAll('_', ' '), xAxis: mark.t}))};
}

function colourOfColumn(column, i) {
  const colours = theme();
  if (column.group === 'rss') return colourOfPart(column.id);
  return {rss: colours.ink, limit: colours.limit}[column.id] ?? colours.columns[column.id] ??
    [colours.after, colours.before, ...colours.other][i % (colours.other.length + 2)];
}

// The limit is shown once memory comes near it: else it would leave the rest flat.
function topOfMemory(history, shown, first) {
  const most = (id) => Math.max(0, ...shown.filter(({column}) => column.id === id).flatMap(({values}) => values.slice(first)));
  const [rss, limit] = [most('rss'), most('limit')];
  return limit > 0 && limit < 2 * rss ? limit * 1.05 : undefined;
}

function lines(history, shown, isMemory, {from, to, first}) {
  const colours = theme();
  const unit = shown[0].column.unit;
  const top = isMemory ? topOfMemory(history, shown, first) : undefined;
  const isLatency = unit === 'us';
  const pairs = (values, value) => {
    const data = [];
    for (let i = first; i < values.length; ++i) {
      if (i > first && history.t[i] - history.t[i - 1] > longest_gap_s) data.push([history.t[i - 1], null]);
      data.push([history.t[i], value(values[i])]);
    }
    return data;
  };
  const series = shown.filter(({column}) => column.id !== 'limit' || top).map(({column, values}, i) => {
    const isPart = isMemory && column.group === 'rss';
    const colour = colourOfColumn(column, i);
    return {
      name: column.title, type: 'line', symbol: 'none', color: colour, unit: column.unit, z: isPart ? 2 : 5,
      lineStyle: {width: isPart ? 0 : 1.6, type: column.id === 'limit' ? 'dashed' : 'solid'},
      ...(isPart && {stack: 'rss', areaStyle: {opacity: 0.92, color: colour}}),
      data: pairs(values, isPart ? (v) => Math.max(v ?? 0, 0) : isLatency ? (v) => (v > 0 ? v : null) : (v) => v),
      ...(i === 0 && {markLine: markLine(history, from, isMemory)}),
    };
  });
  return {
    grid: {left: 64, right: 12, top: 10, bottom: 24},
    legend: {show: false},
    xAxis: {type: 'value', min: from, max: to, axisLabel: {formatter: clock, showMinLabel: false, showMaxLabel: false}},
    yAxis: {type: isLatency ? 'log' : 'value', min: isLatency ? undefined : 0, max: top, splitNumber: isMemory ? 5 : 3,
      axisLabel: {formatter: (y) => inUnit(unit, y)}},
    tooltip: {formatter: (points) => [`<b>${clock(points[0].value[0])}</b>`,
      ...points.filter((p) => p.value[1] !== null).map((p) => `${p.marker}${p.seriesName}: ${inUnit(unit, p.value[1])}`)].join('<br>')},
    series,
    textStyle: {color: colours.ink},
  };
}

function linesTable(history, title, shown, {first}) {
  return {
    caption: title,
    columns: [{name: 'time', text: clock}, ...shown.map(({column}) => ({name: column.title, text: (value) => inUnit(column.unit, value)}))],
    rows: history.t.slice(first).map((t, i) => [t, ...shown.map(({values}) => values[first + i])]),
  };
}

// A figure that draws itself again when it is in sight. option(span) gives ECharts' option, data(span) the table.
class LiveChart {
  constructor({id, title, caption = null, history, shown, option, data, isTall = false}) {
    this.history = history;
    this.shown = shown;
    this.option = option;
    this.place = h('div', {class: 'chart', role: 'img', 'aria-label': `${title}. The figures are in the table below.`});
    this.place.style.height = `${isTall ? tall : height}px`;
    this.keys = shown.map(({column}, i) => {
      const [swatch, value] = [h('i', {'aria-hidden': 'true'}), h('b', {})];
      return {column, i, swatch, value, item: h('li', {}, swatch, column.title, ' ', value)};
    });
    this.element = h('figure', {id, class: isTall ? 'wide' : null}, h('h4', {}, title), this.place,
      h('ul', {class: 'keys'}, this.keys.map(({item}) => item)),
      caption ? h('figcaption', {}, caption) : null, tableBehind(id, () => data(history.since(this.seconds))));
  }

  isInSight() {
    const {top, bottom, width} = this.place.getBoundingClientRect();
    return width > 0 && bottom > 0 && top < innerHeight;
  }

  // What this service, or its allocator, cannot tell has no chart.
  hasFigures() {
    return this.shown.length === 0 || this.shown.some(({values}) => values.some((value) => value !== null));
  }

  isDrawn() {
    return this.instance !== undefined;
  }

  draw(seconds, {unseen = false} = {}) {
    this.seconds = seconds;
    this.element.hidden = !this.hasFigures();
    if (this.element.hidden || (!unseen && !this.isInSight())) return;
    this.instance ??= echarts.init(this.place, null, {renderer: 'canvas'});
    if (this.instance.getWidth() !== this.place.clientWidth) this.instance.resize();
    this.instance.setOption(styled(this.option(this.history.since(seconds)), false), {replaceMerge: ['series']});
    for (const {column, i, swatch, value, item} of this.keys) {
      item.hidden = this.shown[i].values.at(-1) === null;
      swatch.style.background = colourOfColumn(column, i);
      value.textContent = inUnit(column.unit, this.shown[i].values.at(-1));
    }
  }

  remove() {
    this.instance?.dispose();
  }
}

export function chartsOf(history) {
  const known = history.columns.map((column, i) => ({column, values: history.values[i]}));
  const groups = new Map();
  for (const one of known) {
    const isMemory = ['memory', 'rss'].includes(one.column.group);
    const key = isMemory ? 'memory' : `${one.column.group} ${one.column.unit}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const charts = [];
  for (const [key, shown] of groups) {
    const isMemory = key === 'memory';
    const group = shown[0].column.group;
    const title = isMemory ? 'Resident memory and where it is' : sentence(shown.length > 2 ? group : shown.map(({column}) => column.title).join(', ')).replace(/\.$/, '');
    const caption = isMemory ? 'The line is RSS; where the stack rises above it, pages were given out and never touched.' : null;
    charts.push(new LiveChart({
      id: isMemory ? 'live-memory' : `live-${shown[0].column.id}`, title, caption, history, shown, isTall: isMemory,
      option: (span) => lines(history, shown, isMemory, span),
      data: (span) => linesTable(history, title, shown, span),
    }));
    if (group === 'latency') {
      charts.push(new LiveChart({
        id: 'live-heat', title: 'Latency of all operations', caption: 'The darker, the more operations; both the slowest and the many are seen.', history, shown: [],
        option: (span) => heatMap(history, span, markLine(history, span.from, false)),
        data: (span) => heatTable(history, span),
      }));
    }
  }
  return charts;
}
