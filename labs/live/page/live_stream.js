// Server-sent events, through reconnections: a browser tries again by itself unless the answer was an error. A page that
// nobody sees has no connection: browsers allow few of them, and what happens meanwhile comes with the next `hello`.
const again_ms = 3000;

// events: {NAME: data => …}; tell('open' | 'lost') is called when that changes. Each connection begins with `hello`.
export function listen(url, events, tell) {
  let source = null;
  let retry = null;

  function close() {
    clearTimeout(retry);
    source?.close();
    source = null;
  }
  function open() {
    close();
    source = new EventSource(url);
    for (const [name, act] of Object.entries(events)) source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    source.onopen = () => tell('open');
    source.onerror = () => {
      tell('lost');
      if (source?.readyState === EventSource.CLOSED) retry = setTimeout(open, again_ms);
    };
  }
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  if (!document.hidden) open();
}
