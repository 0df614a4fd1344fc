// The ablation: what each fix bought, which part of the waterfall it closed, and why the wrong fixes fail.
import {h} from './dom.js';
import {figure} from './figures.js';
import {bytes, mb, number} from './format.js';
import {measuredParts} from './results.js';
import {table} from './table.js';
import {colourOfPart} from './theme.js';

const died = (row) => (row.died_at_hours === null ? '' : `, died at ${number(row.died_at_hours)} h`);

function partsFigure(lab, {ablation, waterfall}) {
  const rows = ablation.rows;
  const known = measuredParts({waterfall}, rows);
  const drawn = known.filter((part) => rows.some((row) => row.parts[part.id] > 0));
  const nameOf = (id) => waterfall.find((part) => part.id === id).name;
  return figure({
    id: `${lab.name}-ablation`,
    title: `RSS after ${number(ablation.hours)} simulated hours with each set of fixes, by where it is`,
    caption: 'none, each fix alone, all but each, all, and the wrong fixes. At the end of a bar: RSS, and when an arm died. A negative residual (pages never touched) is in the table.',
    height: 60 + 26 * rows.length,
    narrowHeight: 130 + 26 * rows.length,
    option: (colours, narrow) => ({
      grid: {left: narrow ? 116 : 140, right: narrow ? 70 : 150, top: narrow ? 100 : 40, bottom: 44},
      legend: {show: true, data: drawn.map((part) => part.name)},
      xAxis: {type: 'value', name: 'MB', nameLocation: 'middle', nameGap: 28, splitLine: {show: true, lineStyle: {color: colours.faint}},
        axisLabel: {formatter: (x) => x.toLocaleString('en-US')}},
      yAxis: {type: 'category', inverse: true, data: rows.map((row) => row.arm), splitLine: {show: false}, axisLabel: {color: colours.ink, hideOverlap: false, fontSize: narrow ? 10 : 12}},
      tooltip: {axisPointer: {type: 'shadow'}, formatter: (points) => {
        const row = rows[points[0].dataIndex];
        return [`<b>${row.arm}: RSS ${mb(row.rss)}</b>`, ...known.map((part) => `${part.name}: ${mb(row.parts[part.id])}`)].join('<br>');
      }},
      series: [
        ...drawn.map((part) => ({name: part.name, type: 'bar', stack: 'rss', barMaxWidth: 18, color: colourOfPart(part.id),
          data: rows.map((row) => Math.max(row.parts[part.id] ?? 0, 0) / 1e6)})),
        {name: 'RSS', type: 'bar', stack: 'rss', color: 'transparent', data: rows.map(() => 0), label: {show: true, position: 'right', color: colours.ink,
          formatter: (p) => `${mb(rows[p.dataIndex].rss)}${narrow ? (died(rows[p.dataIndex]) ? ' ✖' : '') : died(rows[p.dataIndex])}`}},
      ],
    }),
    data: () => ({
      caption: `What each fix bought, after ${number(ablation.hours)} simulated hours or at the kernel’s kill`,
      columns: [{name: 'arm', words: true}, {name: 'RSS', text: mb}, {name: 'died at, h', text: number}, ...known.map((part) => ({name: part.name, text: mb})),
        {name: 'closes most', words: true}, {name: 'by', text: mb}],
      rows: rows.map((row) => [row.arm, row.rss, row.died_at_hours, ...known.map((part) => row.parts[part.id]),
        row.closes && nameOf(row.closes.part), row.closes?.bytes]),
    }),
  });
}

// Two costs that RSS does not show, side by side; dots, since the rate's scale is logarithmic and has no zero.
function costsFigure(lab, ablation) {
  const rows = ablation.rows;
  return figure({
    id: `${lab.name}-costs`,
    title: 'What each set of fixes costs in allocation and in CPU',
    caption: 'Left: bytes asked of the general heap in a simulated second, logarithmic. Right: CPU time an operation.',
    height: 60 + 22 * rows.length,
    narrowHeight: 60 + 22 * rows.length,
    option: (colours, narrow) => {
      const left = narrow ? 116 : 140;
      const dots = (values, axis) => ({type: 'scatter', xAxisIndex: axis, yAxisIndex: axis, symbolSize: 9, color: colours.after, data: values,
        label: {show: !narrow, position: 'right', color: colours.muted, fontSize: 11, formatter: (p) => (axis === 0 ? `${bytes(p.value)}/s` : `${number(p.value)} µs`)}});
      const category = (axis) => ({type: 'category', gridIndex: axis, inverse: true, data: rows.map((row) => row.arm), splitLine: {show: true, lineStyle: {color: colours.faint}},
        axisLabel: {show: axis === 0, color: colours.ink, hideOverlap: false, fontSize: narrow ? 10 : 12}});
      return {
        grid: [{left, width: narrow ? '26%' : '34%', top: 12, bottom: 44}, {right: narrow ? 12 : 70, left: narrow ? '68%' : '62%', top: 12, bottom: 44}],
        xAxis: [{type: 'log', gridIndex: 0, name: 'a simulated second', nameLocation: 'middle', nameGap: 28, axisLabel: {formatter: (x) => bytes(x)}},
          {type: 'value', gridIndex: 1, name: 'µs an operation', nameLocation: 'middle', nameGap: 28, min: 0}],
        yAxis: [category(0), category(1)],
        tooltip: {trigger: 'item', formatter: (p) => `${rows[p.dataIndex].arm}: ${p.seriesIndex === 0 ? `${bytes(p.value)}/s` : `${number(p.value)} µs`}`},
        legend: {show: false},
        series: [dots(rows.map((row) => row.allocation_bytes_per_simulated_second), 0), dots(rows.map((row) => row.cpu_us_per_operation), 1)],
      };
    },
    data: () => ({
      caption: 'Allocation rate and CPU with each set of fixes',
      columns: [{name: 'arm', words: true}, {name: 'bytes a simulated second', text: bytes}, {name: 'CPU, µs an operation', text: number}],
      rows: rows.map((row) => [row.arm, row.allocation_bytes_per_simulated_second, row.cpu_us_per_operation]),
    }),
  });
}

export function ablationSection(lab) {
  return [partsFigure(lab, lab.ablation), costsFigure(lab, lab.ablation.ablation)];
}

// With the ablation: what came of each; without: why they fail.
export function wrongFixesSection(lab) {
  const rows = new Map((lab.ablation?.ablation.rows ?? []).filter((row) => row.reason !== null).map((row) => [row.arm.replace(/^wrong-/, ''), row]));
  const described = lab.description?.wrong_fixes ?? [...rows].map(([name, row]) => ({name, sentence: '', reason: row.reason}));
  if (described.length === 0) return null;
  return table({
    caption: 'Wrong fixes: they sound right, and fail',
    columns: [{name: 'wrong fix', words: true}, {name: 'what it is', words: true}, {name: 'what came of it', words: true}, {name: 'why it fails', words: true}],
    rows: described.map((fix) => {
      const row = rows.get(fix.name);
      const outcome = !row ? 'not run (make ablate)'
        : row.died_at_hours === null ? `RSS ${mb(row.rss)} after ${number(lab.ablation.ablation.hours)} h`
        : `died at ${number(row.died_at_hours)} h`;
      return [fix.name, fix.sentence, outcome, fix.reason];
    }),
  });
}

export function fixesSection(lab) {
  if (!lab.description) return null;
  const two = (caption, entries) => table({caption, columns: [{name: 'name', words: true}, {name: 'what it is', words: true}], rows: entries.map((e) => [e.name, e.sentence])});
  return h('div', {class: 'pair'},
    lab.description.mechanisms ? two('What makes it grow or stall', lab.description.mechanisms) : null,
    lab.description.fixes ? two('The fixes', lab.description.fixes) : null);
}
