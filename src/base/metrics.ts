// What the server counts, for Prometheus. One Metrics belongs to one server: there is no global registry, so that
// several servers in one process (tests, the simulator) do not add up each other's numbers.
// Invariants: counting on a hot path is an addition to a number, the registry is written when it is read; a family
// holds a bounded number of series, so no client-chosen label can grow memory. Nothing here fails at run time.

import { Counter, Gauge, Registry } from 'prom-client';
import { CountedHistogram, CountedValues } from './counted-histogram.ts';

/** A family with more label combinations than this has a label that clients choose, which is a mistake in itself. */
export const seriesMax = 2_000;

export interface MetricOptions<Label extends string> {
  /** Prometheus's way: `rookery_smtp_messages_total`, with the unit before `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
}

export interface HistogramOptions<Label extends string> extends MetricOptions<Label> {
  /** Upper bounds, rising. */
  readonly buckets: readonly number[];
}

export type Labels<Label extends string> = Readonly<Record<Label, string>>;

export interface CounterSeries {
  add(amount?: number): void;
}
export interface GaugeSeries {
  set(value: number): void;
  add(amount: number): void;
}
export interface HistogramSeries {
  observe(value: number): void;
}

/** One metric with its labels; `with` gives the series to keep and count on. */
export interface Family<Label extends string, Series> {
  with(labels: Labels<Label>): Series;
}

/** Upper bounds in seconds that suit a command or a commit: 0.1 ms to 10 s. */
export const durationBucketsSeconds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const;

interface CountingSeries extends CounterSeries {
  total: number;
}

export class Metrics {
  readonly #registry = new Registry();
  /** A family asked for again by its name is the same one: each listener's protocol asks for its own. */
  readonly #families = new Map<string, unknown>();

  /** A number that only rises. */
  counter<Label extends string = never>(options: MetricOptions<Label>): Family<Label, CounterSeries> {
    return this.#once(options.name, () => this.#newCounter(options));
  }

  #newCounter<Label extends string>(options: MetricOptions<Label>): Family<Label, CounterSeries> {
    const series = new SeriesTable<Label, CountingSeries>(options.labels ?? [], () => ({
      total: 0,
      add(amount = 1) {
        this.total += amount;
      },
    }));
    new Counter<Label>({
      ...definition(options),
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [labels, { total }] of series.entries()) this.inc(labels, total);
      },
    });
    return series;
  }

  /** A number that rises and falls, set by whoever knows it. */
  gauge<Label extends string = never>(options: MetricOptions<Label>): Family<Label, GaugeSeries> {
    return this.#once(options.name, () => this.#newGauge(options));
  }

  #newGauge<Label extends string>(options: MetricOptions<Label>): Family<Label, GaugeSeries> {
    const series = new SeriesTable<Label, GaugeSeries & { value: number }>(options.labels ?? [], () => ({
      value: 0,
      set(value) {
        this.value = value;
      },
      add(amount) {
        this.value += amount;
      },
    }));
    new Gauge<Label>({
      ...definition(options),
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [labels, { value }] of series.entries()) this.set(labels, value);
      },
    });
    return series;
  }

  /** A number that is asked for when the metrics are read, and only rises. As `observed`. */
  observedTotal(options: { readonly name: string; readonly help: string }, read: () => number): void {
    new Counter({
      ...options,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** A number that is asked for when the metrics are read. `read` must be quick and must not throw. */
  observed(options: { readonly name: string; readonly help: string }, read: () => number): void {
    new Gauge({
      ...options,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** The same with labels: all series there are at the moment; those that are gone are not shown any more. */
  observedSeries<Label extends string>(
    options: MetricOptions<Label>,
    read: () => Iterable<readonly [Labels<Label>, number]>,
  ): void {
    new Gauge<Label>({
      ...definition(options),
      registers: [this.#registry],
      collect() {
        this.reset();
        let count = 0;
        for (const [labels, value] of read()) if (count++ < seriesMax) this.set(labels, value);
      },
    });
  }

  histogram<Label extends string = never>(options: HistogramOptions<Label>): Family<Label, HistogramSeries> {
    return this.#once(options.name, () => this.#newHistogram(options));
  }

  #newHistogram<Label extends string>(options: HistogramOptions<Label>): Family<Label, HistogramSeries> {
    const { buckets } = options;
    const series = new SeriesTable<Label, CountedValues>(
      options.labels ?? [],
      () => new CountedValues(buckets),
    );
    new CountedHistogram<Label>({
      ...definition(options),
      buckets: [...buckets],
      registers: [this.#registry],
      series: () => series.entries(),
    });
    return series;
  }

  #once<Made>(name: string, make: () => Made): Made {
    const known = this.#families.get(name) as Made | undefined;
    if (known !== undefined) return known;
    const made = make();
    this.#families.set(name, made);
    return made;
  }

  /** The text Prometheus scrapes. */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The media type of `expose()`. */
  get contentType(): string {
    return this.#registry.contentType;
  }
}

function definition<Label extends string>(options: MetricOptions<Label>) {
  return { name: options.name, help: options.help, labelNames: [...(options.labels ?? [])] };
}

/** The series of a family by their label values; past the limit, what is counted is counted together as "other". */
class SeriesTable<Label extends string, Series> implements Family<Label, Series> {
  readonly #labels: readonly Label[];
  readonly #create: (labels: Labels<Label>) => Series;
  readonly #series = new Map<string, readonly [Labels<Label>, Series]>();

  constructor(labels: readonly Label[], create: (labels: Labels<Label>) => Series) {
    this.#labels = labels;
    this.#create = create;
    // A metric without labels reads 0 from the start rather than being absent.
    if (labels.length === 0) this.with({} as Labels<Label>);
  }

  with(labels: Labels<Label>): Series {
    const key = this.#labels.map((label) => labels[label]).join('\0');
    const known = this.#series.get(key);
    if (known !== undefined) return known[1];
    if (this.#series.size >= seriesMax) return this.#other();
    return this.#add(key, labels);
  }

  entries(): Iterable<readonly [Labels<Label>, Series]> {
    return this.#series.values();
  }

  #add(key: string, labels: Labels<Label>): Series {
    const series = this.#create(labels);
    this.#series.set(key, [labels, series]);
    return series;
  }

  #other(): Series {
    const labels = Object.fromEntries(this.#labels.map((label) => [label, 'other'])) as Labels<Label>;
    return this.#series.get('other')?.[1] ?? this.#add('other', labels);
  }
}
