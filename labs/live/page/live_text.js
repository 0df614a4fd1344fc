// Figures of a column in its unit, times of the service, and changes of its knobs.
import {bytes, microseconds, number} from '../../report/page/format.js';

const units = {
  'B': bytes,
  'B/s': (value) => `${bytes(value)}/s`,
  'us': microseconds,
  'ms': (value) => `${number(value)} ms`,
  'ms/s': (value) => `${number(value)} ms/s`,
  '1/s': (value) => `${number(Math.abs(value) >= 100 ? Math.round(value) : value)}/s`,
  '%': (value) => `${number(value)} %`,
  '1': number,
  '': number,
};

export function inUnit(unit, value) {
  return value === null || value === undefined ? '–' : (units[unit] ?? ((v) => `${number(v)} ${unit}`))(value);
}

// 75: "1:15", since the start.
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

// Of a knob: a number in its unit, or whether it is on.
export const valueText = (unit, value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : inUnit(unit ?? '', value));

// Of a mark; empty for an action.
export function changeText({unit, old, new: wanted, read_back: now}) {
  if (wanted === null || wanted === undefined) return '';
  const refused = now !== wanted ? ` (asked for ${valueText(unit, wanted)})` : '';
  return `${valueText(unit, old)} → ${valueText(unit, now)}${refused}`;
}
