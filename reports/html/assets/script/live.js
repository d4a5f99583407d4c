// The page of a run that goes on. The server sends the sections that changed, and the data of the charts. A lost connection is made again
// by the browser, which names the last edition that it got: the server sends what changed since.
const told = document.createElement("p");
told.className = "live";
told.setAttribute("role", "status");
document.body.prepend(told);
function tell(text) { if (told.textContent !== text) told.textContent = text; }

// While a pointer is held, text is selected or the page is hidden, what came waits.
let waiting = null, held = false;
function busy() { return held || document.hidden || getSelection().type === "Range"; }
function hear(update) {
	waiting = { ...update, pieces: { ...waiting?.pieces, ...update.pieces } };
	renew();
}
function renew() {
	if (waiting === null || busy()) return;
	const update = waiting;
	waiting = null;
	const at = charts.map((c) => c.at()).find((t) => t !== null);
	take(update.data);
	document.title = update.title;
	update.order.forEach((id, i) => place(id, update.pieces[id], update.order[i - 1]));
	document.querySelectorAll("main > section").forEach((s) => { if (!update.order.includes(s.id)) s.remove(); });
	forget();
	charts.forEach((c) => {
		if (!c.drawn()) return;
		c.stale = true;
		if (c.seen) drawOnce(c);
	});
	if (at !== undefined) point(at);
}

// place puts a piece of the page behind another, in place of its last edition.
function place(id, html, before) {
	if (html === undefined) return;
	const next = document.importNode(new DOMParser().parseFromString(html, "text/html").body.firstElementChild, true);
	const old = { banner: document.querySelector(".banner"), nav: document.querySelector("nav") }[id] ?? document.getElementById(id);
	const focus = old ? places(old).indexOf(document.activeElement) : -1;
	if (old) {
		keep(old, next);
		old.replaceWith(next);
	} else if (before === "nav") document.querySelector("main").prepend(next);
	else document.getElementById(before).after(next);
	chartsOf(next);
	tablesOf(next);
	if (id === "system") pictureOf();
	if (old) sort(old, next);
	if (focus >= 0) places(next)[focus]?.focus({ preventScroll: true });
}
function places(root) { return [...root.querySelectorAll("a, button, summary, select, [tabindex]")]; }

// keep takes over the charts that look as before, and what was opened.
function keep(old, next) {
	const charts = [...old.querySelectorAll(".lane, .chart")];
	for (const fresh of next.querySelectorAll(".lane, .chart")) {
		const html = fresh.outerHTML, same = charts.find((c) => undrawn.get(c) === html);
		if (same) fresh.replaceWith(same);
	}
	const before = [...old.querySelectorAll("details")];
	next.querySelectorAll("details").forEach((d, i) => {
		const name = d.querySelector("summary").textContent, was = before.find((o) => o.querySelector("summary").textContent === name) ?? before[i];
		if (was) d.open = was.open;
	});
}
function sort(old, next) {
	const named = (t) => t.id + t.caption?.textContent;
	for (const was of old.querySelectorAll("table[data-sorted]")) {
		const [column, order] = was.dataset.sorted.split(" "), table = [...next.querySelectorAll("table")].find((t) => named(t) === named(was));
		const button = order && table?.tHead.rows[0].cells[column]?.querySelector(".sort");
		for (let clicks = { ascending: 1, descending: 2 }[order]; button && clicks > 0; clicks--) button.click();
	}
}

// forget lets go of charts that are no longer on the page.
function forget() {
	for (const c of charts.filter((c) => !c.plot.isConnected)) {
		charts.splice(charts.indexOf(c), 1);
		byPlot.delete(c.plot);
		c.drop();
		near.unobserve(c.plot);
		resized.unobserve(c.plot);
	}
}

addEventListener("pointerdown", () => { held = true; });
["pointerup", "pointercancel"].forEach((e) => addEventListener(e, () => { held = false; setTimeout(renew); }));
["visibilitychange", "selectionchange"].forEach((e) => document.addEventListener(e, renew));

const address = new URLSearchParams(location.search);
address.set("after", document.querySelector("meta[name=edition]").content);
const events = new EventSource("events?" + address);
events.addEventListener("open", () => tell("live: the page follows the run"));
events.addEventListener("error", () => tell(events.readyState === EventSource.CLOSED ? "the page does not follow the run: reload it to try again" : "the connection is lost: the page tries again"));
events.addEventListener("update", (e) => hear(JSON.parse(e.data)));
events.addEventListener("end", () => { events.close(); tell("the run is over: the page does not change any more"); });
