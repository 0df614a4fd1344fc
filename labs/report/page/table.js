// Tables: of what a section is about, and behind every chart.
import {h} from './dom.js';

// columns: [{name, text: value => shown, words: true when it is no figure}]; rows: arrays of values.
export function table({caption, columns, rows, rowClass = () => null}) {
  const cell = (column, value, i) => {
    const text = column.text ? column.text(value) : value;
    const attributes = {class: column.words ? null : 'figure', 'data-value': value ?? ''};
    return i === 0 ? h('th', {...attributes, scope: 'row'}, text ?? '–') : h('td', attributes, text ?? '–');
  };
  return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
    h('table', {},
      h('caption', {}, caption),
      h('thead', {}, h('tr', {}, columns.map((c) => h('th', {scope: 'col', class: c.words ? null : 'figure'}, c.name)))),
      h('tbody', {}, rows.map((row) => h('tr', {class: rowClass(row)}, columns.map((c, i) => cell(c, row[i], i)))))));
}

const shownRows = 25;

const csvCell = (value) => {
  const text = String(value ?? '');
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
  h('a', {href: url, download: name}).click();
  URL.revokeObjectURL(url);
}

// A table that is made whenever it is opened; of a long series it shows every n-th row, and the rest can be saved.
export function tableBehind(name, make) {
  const details = h('details', {class: 'data'}, h('summary', {}, 'Table'));
  details.addEventListener('toggle', () => {
    if (!details.open) return;
    while (details.childElementCount > 1) details.lastElementChild.remove();
    const all = make();
    const step = Math.ceil(all.rows.length / shownRows);
    const rows = step < 2 ? all.rows : all.rows.filter((_, i) => i % step === 0 || i === all.rows.length - 1);
    details.append(table({...all, rows}));
    if (step > 1) {
      const csv = () => [all.columns.map((c) => c.name), ...all.rows].map((row) => row.map(csvCell).join(',')).join('\n');
      details.append(h('p', {class: 'note'}, `Every ${step}th of ${all.rows.length} samples. `,
        h('button', {type: 'button', onclick: () => download(`${name}.csv`, csv())}, 'Save all as CSV')));
    }
  });
  return details;
}
