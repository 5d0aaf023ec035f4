import { context, type Span, SpanKind } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { onTestFinished } from 'vitest';
import type { Fact } from '../../src/model/fact.ts';
import { presentAttributes, type Recorder, type SpanStart, setRecorder } from '../../src/record/recorder.ts';

/** Keeps facts and finished spans in memory. */
export class MemoryRecorder implements Recorder {
  readonly facts: Fact[] = [];
  readonly #exporter = new InMemorySpanExporter();
  readonly #tracer = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
  }).getTracer('test');

  emit(fact: Fact): void {
    this.facts.push({ ...fact, attributes: { ...fact.shared, ...fact.attributes } });
  }

  startSpan(start: SpanStart): Span {
    const kind = SpanKind[start.kind.toUpperCase() as keyof typeof SpanKind];
    const options = {
      kind,
      attributes: presentAttributes(start.attributes),
      ...(start.links && { links: start.links }),
      ...(start.startedAtMs !== undefined && { startTime: new Date(start.startedAtMs) }),
    };
    return this.#tracer.startSpan(start.name, options, start.parent);
  }

  flush(): void {}

  async synced(): Promise<void> {}

  get spans(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  span(name: string): ReadableSpan {
    const span = this.spans.find((one) => one.name === name);
    if (span === undefined) throw new Error(`no finished span ${name}: ${this.spans.map((one) => one.name)}`);
    return span;
  }

  bodies(eventName: string): unknown[] {
    return this.facts.filter((fact) => fact.eventName === eventName).map(({ body }) => body);
  }
}

export function installMemory(): MemoryRecorder {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const recorder = new MemoryRecorder();
  setRecorder(recorder);
  onTestFinished(() => setRecorder(undefined));
  return recorder;
}
