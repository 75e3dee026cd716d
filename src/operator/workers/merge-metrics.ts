// The metrics of several processes as one page for Prometheus: each family once, with the series of all of them, told apart
// by the label `worker`. Text in, text out; lines that are not understood are left out.

/** A metric's name, its labels with braces if there are any, and what follows. */
const seriesForm = /^([A-Za-z_:][A-Za-z0-9_:]*)(\{.*\})?( .+)$/;
const headForm = /^# (?:HELP|TYPE) (\S+) /;

interface FamilyText {
  readonly head: string[];
  readonly series: string[];
}

export interface WorkerMetrics {
  readonly worker: string;
  /** As `Metrics.expose` gives it. */
  readonly text: string;
}

export function mergeMetrics(parts: readonly WorkerMetrics[]): string {
  const families = new Map<string, FamilyText>();
  for (const { worker, text } of parts) {
    // Its series follow a family's head, under its name or one that begins with it.
    let family: FamilyText | undefined;
    let isKnown = false;
    let name = '';
    for (const line of text.split('\n')) {
      const head = headForm.exec(line);
      if (head !== null) {
        if (head[1] !== name) {
          name = head[1]!;
          isKnown = families.has(name);
          family = families.get(name) ?? { head: [], series: [] };
          families.set(name, family);
        }
        if (!isKnown) family?.head.push(line);
        continue;
      }
      const series = seriesForm.exec(line);
      if (series !== null) family?.series.push(labelled(series, worker));
    }
  }
  return `${[...families.values()].flatMap(({ head, series }) => [...head, ...series]).join('\n')}\n`;
}

function labelled([, name, labels, rest]: RegExpExecArray, worker: string): string {
  const own = `worker="${worker}"`;
  const inner = labels?.slice(1, -1) ?? '';
  return `${name}{${own}${inner === '' ? '' : `,${inner}`}}${rest}`;
}
