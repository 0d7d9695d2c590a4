// The charts, drawn by uPlot from /data/…; in the colours of the page, light or dark.
"use strict";
(() => {
  if (!window.uPlot) return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const units = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];
  const size = (value) => {
    for (const [unit, name] of units) if (Math.abs(value) >= unit) return `${+(value / unit).toFixed(1)} ${name}`;
    return `${value} B`;
  };
  const plain = (value) => (value >= 1e6 ? `${+(value / 1e6).toFixed(1)}M` : value >= 1e3 ? `${+(value / 1e3).toFixed(1)}k` : `${+value.toFixed(3)}`);
  const stamp = (step, form) => [step, form, null, null, null, null, null, null, 1];
  const times = [
    stamp(365 * 86400, "{YYYY}"), stamp(28 * 86400, "{YYYY}-{MM}"), stamp(86400, "{MM}-{DD}"), stamp(3600, "{MM}-{DD}\n{HH}:{mm}"),
    stamp(60, "{HH}:{mm}"), stamp(0.001, "{HH}:{mm}:{ss}"),
  ];
  const axes = (values) => [
    { values: times, stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } },
    { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") }, size: 62, values: (_, ticks) => ticks.map(values) },
  ];
  const base = (element, values) => ({
    width: Math.max(200, element.clientWidth - 16), height: element.clientHeight - 12,
    legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } }, axes: axes(values),
  });
  const line = (name, fill) => ({ stroke: colour(name), width: 2, spanGaps: true, points: { show: false }, fill: fill ? `${colour(name)}22` : undefined });
  const draw = (element, options, data) => {
    element.plot?.destroy();
    element.replaceChildren();
    const nothing = !data.slice(1).some((column) => column.some((value) => value != null));
    element.classList.toggle("blank", nothing);
    if (nothing) { element.textContent = "Nothing to draw yet."; return; }
    if (data[0].length === 1) data = data.map((column, n) => [n ? column[0] : column[0] - 60, column[0]]);
    element.plot = new uPlot(options, data, element);
  };
  // A single point would otherwise stand in a span of years.
  const span = (_, min, max) => (max - min < 600 ? [max - 540, max + 60] : [min, max]);
  const from0 = (most, room = 1.1) => ({ x: { range: span }, y: { range: (_, __, max) => [0, Math.max(max || 0, most) * room || 1] } });

  const series = {
    sizes: (element, all) => draw(element, {
      ...base(element, size), scales: from0(0), series: [{}, line("changed", true), { ...line("minus"), dash: [6, 4] }],
    }, [all.sizes[0], all.sizes[1], all.sizes[0].map(() => (all.limit && Math.max(...all.sizes[1]) > all.limit * 0.3 ? all.limit : null))]),
    seconds: (element, all) => run(element, all, 1, plain),
    lag: (element, all) => run(element, all, 2, plain),
    bytes: (element, all) => run(element, all, 3, size),
  };
  const run = (element, all, column, values) => draw(element, {
    ...base(element, values), scales: from0(0), series: [{}, { ...line("changed"), points: { show: all.runs[0].length < 60, size: 5 } }],
  }, [all.runs[0], all.runs[column]]);

  // What happened at the same time stands in lanes of its own, one above the other.
  const lanes = ["alert", "guard", "drill", "done"];
  // Stacked: what is drawn last stands in front, so the sums go first.
  const history = (element, found) => {
    const [at, added, changed, removed] = found.bars;
    const bar = uPlot.paths.bars({ size: [0.8, 24], align: 1 });
    const block = (name) => ({ paths: bar, stroke: colour(name), fill: colour(name), width: 0, points: { show: false } });
    const marks = (plot) => {
      const { ctx, bbox } = plot;
      for (const [when, group, good] of found.marks) {
        const x = plot.valToPos(when, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.fillStyle = colour(group === "guard" ? "late" : group === "done" ? "link" : good ? "safe" : "wrong");
        ctx.beginPath();
        ctx.arc(x, bbox.top + (6 + 11 * lanes.indexOf(group)) * devicePixelRatio, 4.5 * devicePixelRatio, 0, 7);
        ctx.fill();
      }
    };
    draw(element, {
      ...base(element, plain), scales: from0(1, 1.45), hooks: { draw: [marks] },
      series: [{}, block("minus"), block("changed"), block("plus")],
    }, [at, at.map((_, n) => added[n] + changed[n] + removed[n]), at.map((_, n) => added[n] + changed[n]), added]);
    if (!element.plot) return;
    element.plot.over.addEventListener("click", () => {
      const place = element.plot.cursor.idx;
      if (place == null) return;
      const day = new Date(at[place] * 1000).toISOString().slice(0, 10);
      location.href = `/history?span=${element.dataset.span}&day=${day}`;
    });
  };

  const get = async (address) => {
    const answer = await fetch(address, { cache: "no-store" });
    return answer.ok ? answer.json() : null;
  };
  const all = async () => {
    const elements = [...document.querySelectorAll("[data-chart]")];
    if (!elements.length) return;
    try {
      if (elements.some((one) => one.dataset.chart in series)) {
        const found = await get("/data/charts");
        for (const one of elements) if (found && one.isConnected) series[one.dataset.chart]?.(one, found);
      }
      for (const one of elements.filter((element) => element.dataset.chart === "history")) {
        const found = await get(`/data/history?span=${one.dataset.span}`);
        if (found && one.isConnected) history(one, found);
      }
    } catch { /* the page says that it has lost its server */ }
  };
  let soon;
  const again = () => { clearTimeout(soon); soon = setTimeout(all, 300); };
  addEventListener("resize", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("fresh", again);
  all();
})();
