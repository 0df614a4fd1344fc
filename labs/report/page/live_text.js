// Figures of a column in its unit, and times of the service.
import {bytes, microseconds, number} from './format.js';

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
