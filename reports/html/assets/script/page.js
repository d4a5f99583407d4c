// What is on the screen is drawn at once, and the rest when there is time.
const byPlot = new Map();
function drawOnce(c) { if ((!c.drawn() || c.stale) && c.plot.clientWidth > 0) c.draw(); }
const near = new IntersectionObserver((all) => all.forEach((s) => {
	const c = byPlot.get(s.target);
	c.seen = s.isIntersecting;
	if (!c.seen) return;
	drawOnce(c);
	if (c.drawn()) c.read();
}), { rootMargin: "400px" });
const widths = new WeakMap();
const resized = new ResizeObserver((all) => all.forEach(({ target }) => {
	const c = byPlot.get(target), width = target.clientWidth;
	if (c.drawn() && width > 0 && widths.get(target) !== width) c.draw();
	widths.set(target, width);
}));
// Makes the charts of a part of the page, but for those that stand there already.
function chartsOf(root) {
	root.querySelectorAll(".tools").forEach((t) => { t.hidden = false; });
	const fresh = (selector) => [...root.querySelectorAll(selector)].filter((e) => !undrawn.has(e));
	const made = [...fresh(".lane").map(row), ...fresh(".chart").map(chart)];
	charts.push(...made);
	made.forEach((c) => byPlot.set(c.plot, c));
	made.filter((c) => c.plot.getBoundingClientRect().top < 1.2 * innerHeight).forEach(drawOnce);
	made.forEach((c) => {
		near.observe(c.plot);
		widths.set(c.plot, c.plot.clientWidth);
		resized.observe(c.plot);
	});
}
chartsOf(document);
const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 20));
function drawRest() {
	const next = charts.find((c) => !c.drawn() && c.plot.clientWidth > 0);
	if (!next) {
		document.documentElement.dataset.drawn = "all";
		return;
	}
	next.draw();
	idle(drawRest);
}
idle(drawRest);
const again = () => charts.forEach((c) => c.drawn() && c.draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
matchMedia("print").addEventListener("change", again);

// The picture of the system shows one window, or the whole run.
let pictured = 0;
function pictureOf() {
	if (!data.picture || !document.querySelector(".system")) return;
	const edges = [...document.querySelectorAll(".system .edge")], items = [...document.querySelectorAll(".edges li")], nodes = [...document.querySelectorAll(".system .node")];
	const buttons = [...document.querySelectorAll(".windows button")], select = document.querySelector(".windows select");
	const picture = (w) => {
		pictured = w;
		buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(i === w)));
		data.picture.edges.forEach((e, i) => {
			edges[i].classList.toggle("broken", e.broken[w] !== "");
			edges[i].querySelector("text").textContent = e.words[w];
			items[i].querySelector(".words").textContent = e.words[w];
			items[i].querySelector(".by").textContent = e.broken[w] === "" ? "" : "✗ broken by " + e.broken[w];
		});
		data.picture.nodes.forEach((n, i) => nodes[i].classList.toggle("broken", n[w] !== ""));
	};
	buttons.forEach((button, w) => button.addEventListener("click", () => picture(w)));
	select?.addEventListener("change", () => picture(select.selectedIndex));
	if (pictured === 0) return;
	if (select) select.selectedIndex = pictured;
	picture(pictured);
}
pictureOf();

// A link opens what is folded around its end.
function reveal() {
	let id = location.hash.slice(1), folded = id && document.getElementById(id);
	for (; folded; folded = folded.parentElement) if (folded.tagName === "DETAILS") folded.open = true;
	const first = id && document.getElementById(id)?.querySelector(":scope > details.told");
	if (first) first.open = true;
}
addEventListener("hashchange", reveal);
document.addEventListener("click", (e) => { if (e.target.closest("a[href^='#']")?.hash === location.hash) reveal(); });
reveal();

// On paper nothing can be opened.
let opened = [];
addEventListener("beforeprint", () => {
	opened = [...document.querySelectorAll("main details:not([open]), header details:not([open])")];
	opened.forEach((d) => { d.open = true; });
	charts.forEach(drawOnce);
});
addEventListener("afterprint", () => opened.forEach((d) => { d.open = false; }));
