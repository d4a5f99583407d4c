// The timeline: a row for each stream, link, part and series of the target. Its charts share the cursor and the part of the run with all others.
const rows = {
	stream: {
		lines: (s) => [
			{ stroke: colour("errors"), fill: colour("errors"), width: 0 }, { stroke: colour("acked-area"), fill: colour("acked-area"), width: 0 },
			{ stroke: colour("p99"), width: 2, scale: "t" },
		],
		values: (s) => [s.acked.map((v, i) => v + s.errors[i]), s.acked, positive(s.p99)],
		text: (s, i) => (s.offered[i] > 0 || s.acked[i] > 0 ? amount(s.acked[i]) + "/s acked, " + (s.errors[i] > 0 ? amount(s.errors[i]) + "/s not, " : "") + (s.p99[i] === null ? "no answer" : "p99 " + duration(s.p99[i])) : ""),
		most: (s) => (highest(s.offered) === 0 ? "" : "up to " + amount(highest(s.offered)) + "/s") + (s.hung.some((h) => h > 0) ? ", p99 at times no answer" : highest(s.p99) > 0 ? ", p99 up to " + duration(highest(s.p99)) : ""),
		marks: (u, s) => hung(u, s),
	},
	link: {
		lines: () => [{ stroke: colour("errors"), fill: colour("errors"), width: 0 }, { stroke: colour("link-area"), fill: colour("link-area"), width: 0 }],
		values: (s) => s.lines.map((l) => l.values),
		text: (s, i) => amount(s.lines[0].values[i]) + " requests/s, " + amount(s.lines[1].values[i]) + " answered",
		most: (s) => "up to " + amount(highest(s.lines[0].values)) + "/s",
		marks: () => {},
	},
	part: {
		lines: () => [{ stroke: colour("max"), fill: colour("max") + "66", width: 1 }],
		values: (s) => s.lines.map((l) => l.values),
		text: (s, i) => (s.lines[0].values[i] === null ? "not measured" : amount(s.lines[0].values[i]) + " cores"),
		most: (s) => (s.lines[0].values.every((v) => v === null) ? "not measured" : "up to " + amount(highest(s.lines[0].values)) + " cores"),
		marks: () => {},
	},
	series: {
		lines: () => [{ stroke: colour("effect"), fill: colour("effect") + "44", width: 1 }],
		values: (s) => s.lines.map((l) => l.values),
		text: (s, i) => (s.lines[0].values[i] === null ? "no reading" : gauge.text(s.lines[0].values[i], s)),
		most: (s) => (s.lines[0].values.every((v) => v === null) ? "no reading" : "up to " + gauge.text(highest(s.lines[0].values), s)),
		marks: () => {},
	},
	head: { lines: () => [], values: () => [], text: () => "", marks: () => {} },
};
function highest(values) { return values.reduce((most, v) => Math.max(most, v ?? 0), 0); }
const side = 16; // the first and the last time beside the head's axis have room

function row(element) {
	undrawn.set(element, element.outerHTML);
	const kind = rows[element.dataset.kind ?? "head"], head = !element.dataset.row;
	const plot = element.querySelector(".plot"), now = element.querySelector(".now"), pins = [...element.querySelectorAll(".pin")];
	let stream, bands, u = null;
	function load() {
		stream = head ? { time: [0, data.length || 1], step: 0, phases: data.phases, blocks: [] } : series.get(element.dataset.row);
		bands = bandsOf(head ? stream : { phases: stream.phases.length > 0 ? stream.phases : data.phases, blocks: stream.blocks });
		if (!head) now.textContent = kind.most(stream);
	}
	load();
	element.hidden = false;
	function read() {
		if (!self.seen || u === null) return;
		const { left } = u.cursor, inside = left !== undefined && left >= 0;
		const x = inside ? u.posToVal(left, "x") : 0;
		if (head) {
			document.querySelector(".clock").textContent = inside ? "At " + span(x, 1) + during(stream, x, 0.001) : "";
			return;
		}
		const i = inside ? latest(stream.time, x) : -1;
		now.textContent = i < 0 ? kind.most(stream) : kind.text(stream, i);
	}
	// Marks stand where their time is. Those of one look share a line below the row.
	function place() {
		const used = new Set(pins.map((p) => p.classList[1])), looks = ["lost", "copied", "order", "ended", "other"].filter((l) => used.has(l));
		for (const p of pins) {
			const x = u.valToPos(Number(p.dataset.at), "x") + side, item = p.parentElement;
			item.hidden = x < side - 1 || x > u.over.clientWidth + side + 1;
			item.style.left = x + "px";
			item.style.top = looks.indexOf(p.classList[1]) * 17 + "px";
			p.classList.toggle("late", x > u.over.clientWidth / 2);
		}
		if (pins.length > 0) pins[0].closest(".pins").style.height = looks.length * 17 + 4 + "px";
	}
	const self = {
		plot, read,
		seen: true,
		drawn: () => u !== null,
		draw() {
			if (u !== null) u.destroy();
			u = null;
			self.stale = false;
			load();
			const lane = head ? lanes(bands, plot.clientWidth, side, side) : null;
			const above = head ? Math.max(0, ...lane.map((l) => l + 1)) * laneHeight + 2 : 2;
			const values = kind.values(stream);
			u = new uPlot({
				width: plot.clientWidth, height: head ? above + 30 : 50, padding: [above, side, 0, side], legend: { show: false }, cursor: cursor(),
				scales: { x: timeScale(), y: { range: (u, low, high) => [0, (high || 1) * 1.05] }, t: logarithmic },
				axes: [head ? { ...axisLooks(), ...timeAxis, size: 28 } : { show: false }, { show: false }],
				series: [{}, ...kind.lines(stream).map((l) => ({ points: { show: false }, ...l }))],
				hooks: {
					draw: [(u) => { shade(u, bands, lane); kind.marks(u, stream); if (self.drawn()) place(); }], setCursor: [read],
					setScale: [(u, key) => { if (self.drawn()) handOn(u, key, self); }],
				},
			}, head ? [stream.time] : columns(stream, values), plot);
			element.classList.add("placed");
		},
		at: () => pointed(u),
		drop: () => u?.destroy(),
		point: (time) => u !== null && u.setCursor(time === null ? { left: -10, top: -10 } : { left: u.valToPos(time, "x"), top: 1 }),
		zoom: () => u !== null && rescale(u),
	};
	return self;
}

// The buttons, and the keys + - 0, choose the part of the run.
function zoom(how) {
	const [from, to] = shown ?? [0, data.length], middle = (from + to) / 2, half = (to - from) / 2;
	const moved = (by) => { const at = Math.min(Math.max(from + by, 0), data.length - 2 * half); return [at, at + 2 * half]; };
	show({ in: [middle - half / 2, middle + half / 2], out: [middle - 2 * half, middle + 2 * half], left: moved(-half), right: moved(half), all: null }[how]);
}
document.addEventListener("click", (e) => { const b = e.target.closest("[data-zoom]"); if (b) zoom(b.dataset.zoom); });
document.querySelector("main").addEventListener("keydown", (e) => {
	const how = { "+": "in", "-": "out", 0: "all" }[e.key];
	if (!how || !e.target.classList.contains("plot")) return;
	e.preventDefault();
	zoom(how);
});
