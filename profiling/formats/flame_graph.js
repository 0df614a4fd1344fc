// Frames carry their place as fractions of the whole: data-x and data-w. A click on one makes it the whole.
(() => {
  const svg = document.currentScript.closest("svg");
  const frames = [...svg.querySelectorAll("g.frame")];
  const status = svg.querySelector("#status");
  const width = svg.viewBox.baseVal.width;
  const letter = 6.7;
  const name = (frame) => frame.querySelector("title").textContent.split("\n")[0];
  const fraction = (frame, key) => Number(frame.dataset[key]);

  function zoom(to) {
    const x = fraction(to, "x"), w = fraction(to, "w"), level = fraction(to, "level");
    for (const frame of frames) {
      const is_caller = fraction(frame, "level") < level;
      const left = Math.max((fraction(frame, "x") - x) / w, 0);
      const right = Math.min((fraction(frame, "x") + fraction(frame, "w") - x) / w, 1);
      const pixels = (right - left) * width;
      frame.style.display = pixels < 0.3 ? "none" : "";
      frame.style.opacity = is_caller ? 0.5 : 1;
      const rect = frame.querySelector("rect"), text = frame.querySelector("text");
      rect.setAttribute("x", left * width);
      rect.setAttribute("width", Math.max(pixels - 0.5, 0.3));
      const letters = Math.floor((pixels - 6) / letter), full = name(frame);
      text.setAttribute("x", left * width + 3);
      text.textContent = letters < 3 ? "" : full.length <= letters ? full : full.slice(0, letters - 1) + "…";
    }
  }

  function search(text) {
    let found = 0;
    const covered = [];
    for (const frame of frames) {
      const hit = text !== "" && name(frame).toLowerCase().includes(text.toLowerCase());
      frame.classList.toggle("hit", hit);
      if (!hit) continue;
      const x = fraction(frame, "x"), end = x + fraction(frame, "w");
      if (!covered.some(([a, b]) => x >= a - 1e-9 && end <= b + 1e-9)) {
        covered.push([x, end]);
        found += end - x;
      }
    }
    status.textContent = text === "" ? "" : `“${text}”: ${(100 * found).toFixed(2)} % of the whole`;
  }

  svg.addEventListener("click", (event) => {
    const frame = event.target.closest("g.frame");
    if (frame) zoom(frame);
  });
  svg.addEventListener("mousemove", (event) => {
    const frame = event.target.closest("g.frame");
    if (frame) svg.querySelector("#details").textContent = frame.querySelector("title").textContent.replace("\n", ": ");
  });
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search(""); zoom(frames[0]); }
    if (event.key === "f" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      search(window.prompt("Functions whose name contains:", "") ?? "");
    }
  });
})();
