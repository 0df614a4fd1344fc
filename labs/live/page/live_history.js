// What has been seen of the service: one array a column, at most ten minutes.
const kept_s = 600;

export class History {
  columns = [];
  marks = [];
  end = null;
  changed = false;
  t = [];

  // Everything anew, as a stream begins.
  begin(hello) {
    this.columns = hello.columns;
    this.edges = hello.latency_edges_us;
    this.t = hello.history.t;
    this.values = hello.columns.map(({id}) => hello.history[id]);
    this.latency = hello.history.latency;
    this.marks = hello.marks;
    this.end = hello.end;
    this.changed = true;
  }

  add({t, values, latency}) {
    this.t.push(t);
    this.values.forEach((column, i) => column.push(values[i]));
    this.latency.push(latency);
    while (this.t[0] < t - kept_s) for (const column of [this.t, this.latency, ...this.values]) column.shift();
    this.changed = true;
  }

  mark(mark) {
    this.marks.push(mark);
    this.changed = true;
  }

  isReady() {
    return this.t.length > 0;
  }

  // Of the last so many seconds: where they begin, in time and in the arrays.
  since(seconds) {
    const now = this.t.at(-1);
    const from = Math.max(0, now - seconds);
    const first = this.t.findIndex((t) => t >= from);
    return {from, to: now, first};
  }
}
