// Charts in figures: a title that says what is seen, the chart, a caption, and the same figures as a table.
import {BarChart, LineChart, ScatterChart} from 'echarts/charts';
import {GridComponent, LegendComponent, MarkLineComponent, TooltipComponent} from 'echarts/components';
import * as echarts from 'echarts/core';
import {LabelLayout} from 'echarts/features';
import {SVGRenderer} from 'echarts/renderers';
import {h} from './dom.js';
import {tableBehind} from './table.js';
import {onTheme, theme} from './theme.js';

echarts.use([BarChart, LineChart, ScatterChart, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent,
  LabelLayout, SVGRenderer]);

const narrowest = 560;  // below it there is no room beside a chart for labels
const lineHeight = 15;
const charts = new Set();

function draw(chart) {
  const width = chart.place.clientWidth;
  if (width === 0) return;
  chart.instance ??= echarts.init(chart.place, null, {renderer: 'svg'});
  chart.instance.resize({width, height: chart.height(width < narrowest)});
  chart.instance.setOption(styled(chart.option(theme(), width < narrowest), width < narrowest), {notMerge: true});
}

// What all charts have in common.
export function styled(option, narrow) {
  const colours = theme();
  // By name, and not inherited: texts are measured before they are in the page.
  const font = {fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12, color: colours.ink};
  const axis = (given, isValue) => ({
    nameTextStyle: {color: colours.muted, ...(isValue ? {align: 'left', padding: [0, 0, 0, -28]} : {})},
    axisLine: {lineStyle: {color: colours.line}},
    axisTick: {show: false},
    axisLabel: {color: colours.muted, hideOverlap: true, ...given.axisLabel},
    splitLine: {show: isValue, lineStyle: {color: colours.faint}},
    minorSplitLine: {show: false},
    ...Object.fromEntries(Object.entries(given).filter(([key]) => key !== 'axisLabel')),
  });
  const each = (given, isValue) =>
    Array.isArray(given) ? given.map((one) => axis(one, isValue)) : axis(given, isValue);
  return {
    animation: false,
    textStyle: font,
    ...option,
    tooltip: {
      trigger: 'axis', confine: true, backgroundColor: colours.surface, borderColor: colours.line,
      textStyle: {color: colours.ink, fontSize: 12}, axisPointer: {lineStyle: {color: colours.muted}}, ...option.tooltip,
    },
    legend: {
      show: narrow, top: 0, left: 0, itemHeight: 8, itemWidth: 14, icon: 'roundRect', selectedMode: false,
      textStyle: {color: colours.ink}, ...option.legend,
    },
    // Told, and not guessed from the width of a glyph that the font may not have.
    series: option.series.map((one) => ({...one,
      ...(one.label && {label: {lineHeight, ...one.label}}), ...(one.endLabel && {endLabel: {lineHeight, ...one.endLabel}})})),
    xAxis: each(option.xAxis, false),
    yAxis: each(option.yAxis, true),
  };
}

// option(theme, narrow) gives ECharts' option; data() the table {caption, columns, rows}.
export function figure({id, title, caption, option, data, height = 320, narrowHeight = 280, className}) {
  const place = h('div', {class: 'chart', role: 'img', 'aria-label': `${title}. ${caption ?? ''} The figures are in the table below.`});
  const element = h('figure', {id, class: className}, h('h4', {}, title), place,
    caption ? h('figcaption', {}, caption) : null, data ? tableBehind(id, data) : null);
  const chart = {place, option, height: (narrow) => (narrow ? narrowHeight : height)};
  place.style.height = `${height}px`;
  charts.add(chart);
  new ResizeObserver(() => {
    place.style.height = `${chart.height(place.clientWidth < narrowest)}px`;
    draw(chart);
  }).observe(place);
  return element;
}

onTheme(() => charts.forEach(draw));
window.addEventListener('beforeprint', () => charts.forEach(draw));
