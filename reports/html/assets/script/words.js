// The page's data, and its words for values. Nothing is fetched. Without these scripts the tables still show all.
let data, series;
function take(next) {
	data = next;
	series = new Map([...data.streams, ...data.gauges, ...data.links, ...data.observed, ...data.streamGauges, ...data.spreads, ...data.parts, ...data.heats].map((s) => [s.id, s]));
}
take(JSON.parse(document.getElementById("data").textContent));
const font = "600 11px system-ui, sans-serif";

function significant(v) { return String(Number(v.toPrecision(3))); }
function duration(ms) {
	if (ms < 1) return significant(ms * 1000) + " µs";
	if (Number(ms.toPrecision(3)) < 1000) return significant(ms) + " ms";
	return significant(ms / 1000) + " s";
}
function moment(s) {
	if (data.length < 600) return significant(s) + " s";
	const pad = (n) => String(Math.floor(n)).padStart(2, "0");
	return (s >= 3600 ? Math.floor(s / 3600) + ":" + pad((s % 3600) / 60) : Math.floor(s / 60)) + ":" + pad(s % 60);
}
// A value of several seconds is of some second among them.
function span(start, step) { return step > 1 ? moment(start) + " to " + moment(Math.min(start + step, data.length)) : moment(start); }
function amount(v) {
	if (v >= 1e9) return significant(v / 1e9) + " G";
	if (v >= 1e6) return significant(v / 1e6) + " M";
	if (v >= 1e4) return significant(v / 1e3) + " k";
	return significant(v);
}
function percentile(x) {
	const p = 100 * (1 - 10 ** -x);
	return x === 0 ? "fastest" : "p" + Number(p.toFixed(Math.max(0, Math.ceil(x) - 1)));
}
function decades(low, high) {
	const all = [];
	for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) all.push(10 ** e);
	return all;
}
function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim(); }
function clamp(x, bbox) { return Math.min(Math.max(x, bbox.left), bbox.left + bbox.width); }
