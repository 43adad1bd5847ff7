// The pages are whole without this file. With it they refresh themselves: the same address is fetched again, and what
// changed is carried over piece by piece, so that focus, scroll and selection stay.
(() => {
  "use strict";
  const seconds = Number(document.body.dataset.refresh);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let etag = null;
  let failures = 0;
  let busy = false;

  const parts = ["notices", "stats", "sums", "snapshot", "found", "place", "boards"];

  function number(from, to) {
    // Only the first run of digits is animated; what stands around it is the new text.
    const pattern = /[\d,]+(?:\.\d+)?/;
    const value = (text) => Number((pattern.exec(text) || ["0"])[0].replaceAll(",", ""));
    const start = value(from.textContent), end = value(to.textContent);
    const digits = to.firstChild && to.firstChild.nodeType === 3 ? to.firstChild.data : null;
    const sameUnit = from.textContent.replace(pattern, "") === to.textContent.replace(pattern, "");
    if (still.matches || digits === null || !sameUnit || start === end) return null;
    const decimals = ((pattern.exec(digits) || [""])[0].split(".")[1] || "").length;
    const grouped = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    return (node, share) => { node.data = digits.replace(pattern, grouped.format(start + (end - start) * share)); };
  }

  function count(from, to) {
    const draw = number(from, to);
    const text = to.firstChild;
    const final = text && text.data;
    to.classList.add("changed");
    if (!draw) return;
    // By the frames' own clock: where they lag it stands before this moment, and the number would leave its bounds.
    let begun;
    const frame = (now) => {
      begun ??= now;
      const at = Math.min(1, (now - begun) / 600);
      if (at >= 1) { text.data = final; return; }
      draw(text, 1 - (1 - at) ** 3);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  // Swaps one element for its newer self; numbers that differ count over to their new value.
  function swap(old, fresh) {
    if (old.isEqualNode(fresh)) return old;
    const before = [...old.querySelectorAll("data")], after = [...fresh.querySelectorAll("data")];
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(fresh);
    if (before.length === after.length) {
      after.forEach((node, index) => { if (node.value !== before[index].value) count(before[index], node); });
    }
    if (focused) {
      const again = [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
      if (again) again.focus({ preventScroll: true });
    }
    return fresh;
  }

  function rows(body, fresh) {
    const place = (row) => row.getBoundingClientRect().top;
    const was = new Map([...body.rows].map((row) => [row.id, place(row)]));
    const old = new Map([...body.rows].map((row) => [row.id, row]));
    const marked = location.hash && location.hash.slice(1);
    const now = [...fresh.rows].map((row) => {
      const mine = document.importNode(row, true);
      return old.has(row.id) ? swap(old.get(row.id), mine) : mine;
    });
    if ([...body.rows].some((row, index) => row !== now[index]) || body.rows.length !== now.length) {
      const active = document.activeElement;
      body.replaceChildren(...now);
      if (active && body.contains(active)) active.focus({ preventScroll: true });
    }
    if (marked) document.getElementById(marked)?.classList.add("marked");
    if (still.matches) return;
    for (const row of body.rows) {
      const from = was.get(row.id);
      if (from === undefined) {
        if (was.size) row.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 400 });
      } else if (Math.abs(from - place(row)) > 1) {
        row.animate([{ transform: `translateY(${from - place(row)}px)` }, { transform: "none" }], { duration: 500, easing: "cubic-bezier(.2,.7,.2,1)" });
      }
    }
  }

  function carry(page) {
    const body = document.getElementById("rows"), fresh = page.getElementById("rows");
    const sameKind = Boolean(body) === Boolean(fresh) && document.title === page.title;
    if (!sameKind) { location.reload(); return; }
    if (body) rows(body, fresh);
    for (const id of parts) {
      const old = document.getElementById(id), now = page.getElementById(id);
      if (old && now) swap(old, document.importNode(now, true));
    }
    const chart = document.getElementById("chart"), drawn = page.getElementById("chart");
    if (chart && drawn && !chart.matches(":hover")) { chart.replaceWith(document.importNode(drawn, true)); tips(); }
    const truth = document.getElementById("truth"), told = page.getElementById("truth");
    if (truth && told) {
      const mine = document.importNode(told, true);
      mine.classList.add("fresh");
      truth.replaceWith(mine);
    }
  }

  async function refresh() {
    if (document.hidden || busy) return;
    busy = true;
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin" });
      failures = 0;
      const tag = answer.headers.get("etag");
      if (answer.status === 304 || (etag && tag === etag)) return;
      etag = tag;
      carry(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      failures += 1;
      if (failures === 3) {
        const truth = document.getElementById("truth");
        if (truth) { truth.classList.add("old"); truth.title = "This server does not answer; trying again"; }
      }
    } finally {
      busy = false;
    }
  }

  // A tooltip for the bars; without it the browser shows their titles.
  function tips() {
    const chart = document.getElementById("chart");
    if (!chart) return;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("aria-hidden", "true");
    chart.append(tip);
    for (const title of chart.querySelectorAll(".day title")) title.remove();
    chart.addEventListener("pointermove", (event) => {
      const day = event.target.closest(".day");
      tip.classList.toggle("on", Boolean(day));
      if (!day) return;
      const box = chart.getBoundingClientRect(), bar = day.getBoundingClientRect();
      tip.textContent = day.dataset.day;
      const half = tip.offsetWidth / 2;
      const middle = bar.left + bar.width / 2 - box.left;
      tip.style.left = `${Math.max(half, Math.min(box.width - half, middle))}px`;
      const top = [...day.querySelectorAll("rect:not(.hit)")].reduce((y, rect) => Math.min(y, rect.getBoundingClientRect().top), bar.bottom);
      tip.style.top = `${Math.max(18, top - box.top)}px`;
    });
    chart.addEventListener("pointerleave", () => tip.classList.remove("on"));
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = document.getElementById("q");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
  });

  tips();
  const marked = document.querySelector("tr.marked");
  if (marked && !location.hash) marked.scrollIntoView({ block: "center" });
  if (seconds > 0) {
    setInterval(refresh, seconds * 1000);
    document.addEventListener("visibilitychange", refresh);
  }
})();
