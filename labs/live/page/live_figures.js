// Every column as a row: now, and its range over the time that is shown.
import {table} from '../../report/page/table.js';
import {inUnit} from './live_text.js';

// Gives the function that brings the table up to date, if it is open.
export function figuresTable(details, history) {
  return (seconds) => {
    if (!details.open || !history.isReady()) return;
    const {first} = history.since(seconds);
    const rows = history.columns.map((column, i) => {
      const known = history.values[i].slice(first).filter((value) => value !== null);
      const text = (value) => inUnit(column.unit, value);
      const [least, most] = known.length > 0 ? [Math.min(...known), Math.max(...known)] : [null, null];
      return [column.title, text(history.values[i].at(-1)), text(least), text(most)];
    });
    const shown = table({
      caption: `Now, and over the last ${seconds} s`,
      columns: [{name: 'figure', words: true}, {name: 'now'}, {name: 'least'}, {name: 'most'}],
      rows,
    });
    details.querySelector('.scroll')?.remove();
    details.append(shown);
  };
}
