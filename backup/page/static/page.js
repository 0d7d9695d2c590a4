// Times in the reader's zone, ages that go on counting, commands to copy, and the page kept up to date.
"use strict";
(() => {
  const ago = (at) => {
    const seconds = Math.max(0, Math.floor(Date.now() / 1000 - at));
    if (seconds < 120) return `${seconds} s ago`;
    return seconds < 7200 ? `${Math.floor(seconds / 60)} min ago` : `${Math.floor(seconds / 3600)} h ago`;
  };
  const two = (n) => String(n).padStart(2, "0");
  const local = (date) => {
    const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
    const today = date.toDateString() === new Date().toDateString();
    return today ? clock : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
  };
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const dress = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      if (!Number.isNaN(date.getTime())) { time.title = time.dateTime; put(time, local(date)); }
    }
  };
  const count = () => {
    for (const element of document.querySelectorAll("[data-since]")) put(element, ago(Number(element.dataset.since)));
  };

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say(button, "Copied");
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.parentElement.querySelector("code"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      say(button, "Marked: press Ctrl+C");
    }
  });
  const say = (button, text) => {
    const label = button.firstChild, before = label.data;
    label.data = text;
    setTimeout(() => { label.data = before; }, 2000);
  };

  // What is open, where the reader is, and what has the focus stay as they are.
  let main = document.getElementById("main");
  const take = (fresh) => {
    const open = new Map([...main.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
    const charts = new Map([...main.querySelectorAll("[data-chart]")].map((one) => [one.dataset.chart, one]));
    const focus = document.activeElement && main.contains(document.activeElement) ? where(document.activeElement) : null;
    const next = document.importNode(fresh.getElementById("main"), true);
    for (const [id, was] of open) { const one = next.querySelector(`#${CSS.escape(id)}`); if (one) one.open = was; }
    for (const one of next.querySelectorAll("[data-chart]")) {
      const drawn = charts.get(one.dataset.chart);
      if (drawn) one.replaceWith(drawn);
    }
    dress(next);
    main.replaceWith(next);
    main = next;
    document.documentElement.dataset.state = fresh.documentElement.dataset.state;
    document.title = fresh.title;
    if (focus) { const one = main.querySelector(focus); if (one) one.focus({ preventScroll: true }); }
    count();
    document.dispatchEvent(new CustomEvent("fresh"));
  };
  const where = (element) => {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const link = element.getAttribute("href");
    return link ? `a[href="${CSS.escape(link)}"]` : null;
  };
  let busy = false, wanted = "";
  const refresh = async () => {
    if (busy) return;
    busy = true;
    const asked = wanted;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) {
        take(new DOMParser().parseFromString(await answer.text(), "text/html"));
        main.dataset.version = asked;
      }
    } catch { /* the stream says that the server is away */ } finally {
      busy = false;
      if (wanted !== asked) setTimeout(refresh, 1000);
    }
  };

  // A server that is gone is told at once when the connection breaks, and after some silence when it does not.
  const lost = document.getElementById("lost");
  let heard = Date.now();
  const SILENCE = 15000;
  const here = (yes) => {
    document.body.classList.toggle("away", !yes);
    lost.hidden = yes;
    put(lost, yes ? "" : `Not live: this page has lost its server. What it shows is as of ${local(new Date(heard))}.`);
  };
  if (main.hasAttribute("data-live")) {
    const stream = new EventSource("/live");
    stream.onmessage = (event) => {
      heard = Date.now();
      here(true);
      wanted = JSON.parse(event.data).version;
      if (wanted !== main.dataset.version) refresh();
    };
    stream.onerror = () => { here(false); };
    setInterval(() => { if (Date.now() - heard > SILENCE) here(false); }, 1000);
  }
  dress(document);
  count();
  setInterval(count, 1000);
})();
