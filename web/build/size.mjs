// Prints what the first load of each app costs over the wire, and fails when the patient's is above the limit.
// Counted: the page and every file it names (script, preload, stylesheet, icon), each as gzip and as brotli.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const DIST = join(import.meta.dirname, "..", "dist");
const LIMIT_BYTES = 90 * 1024;

function firstLoad(page) {
  const html = readFileSync(join(DIST, page), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
  return [page, ...new Set(named)];
}

const size = (name, ending) => statSync(join(DIST, name + ending)).size;
let tooLarge = false;
for (const page of ["patient.html", "staff.html"]) {
  const totals = { raw: 0, gz: 0, br: 0 };
  console.log(`\n${page}`.padEnd(45), "raw".padStart(9), "gzip".padStart(9), "brotli".padStart(9));
  for (const name of firstLoad(page)) {
    const row = { raw: size(name, ""), gz: size(name, ".gz"), br: size(name, ".br") };
    for (const key of Object.keys(totals)) totals[key] += row[key];
    console.log(`  ${name}`.padEnd(44), ...Object.values(row).map((bytes) => String(bytes).padStart(9)));
  }
  console.log("  total".padEnd(44), ...Object.values(totals).map((bytes) => String(bytes).padStart(9)));
  if (page === "patient.html" && totals.gz > LIMIT_BYTES) tooLarge = true;
}
if (tooLarge) {
  console.error(`\nThe patient's first load is above ${LIMIT_BYTES} bytes.`);
  process.exit(1);
}
