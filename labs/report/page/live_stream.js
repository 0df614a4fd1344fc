// Server-sent events, through reconnections: a browser tries again by itself unless the answer was an error.
const again_ms = 3000;

// events: {NAME: data => …}; tell('open' | 'lost') is called when that changes. Each connection begins with `hello`.
export function listen(url, events, tell) {
  const source = new EventSource(url);
  for (const [name, act] of Object.entries(events)) source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  source.onopen = () => tell('open');
  source.onerror = () => {
    tell('lost');
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(url, events, tell), again_ms);
  };
}
