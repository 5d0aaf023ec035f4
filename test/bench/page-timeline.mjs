import { quantile, times } from './figures.mjs';
import { openedMs, pageMemoryMb, withTab } from './page-chromium.mjs';
import { readJson, until, untilIdle, withService } from './page-service.mjs';
import { sendTrace, traceBodies } from './trace-bodies.mjs';

/** Spans of one task that others may send: more are refused. Fewer for a quick look: `BENCH_SPANS=2000 npm run bench -- page`. */
export const SPANS = Number(process.env.BENCH_SPANS ?? 20_000);
const ID = 'task-trace';
const ROUNDS = 5;
/** Down and up again in about six seconds: some hundred rows a frame. */
const FRAMES = 360;
const DRAWN_MS_MAX = 500;
const FRAMES_A_SECOND_MIN = 50;

/** The timeline of a run of many spans. */
export async function timelineRows(dir, chromium) {
  const startMs = Date.now() - 3 * 3_600_000;
  const bodies = traceBodies({
    spans: SPANS,
    taskId: ID,
    traceId: '0af7651916cd43dd8448eb211c80319c',
    startMs,
  });
  return withService(dir, async (service) => {
    await sendTrace(`${service.otlpUrl}/v1/traces`, bodies);
    const path = `${service.url}/api/tasks/${ID}/trace`;
    await until(async () => (await readJson(path))?.length === SPANS, 'the spans');
    return measureTimeline(service, chromium);
  });
}

export async function measureTimeline({ url, pid }, chromium) {
  await untilIdle(pid);
  const [opened, drawn, memory, gaps] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    await withTab(chromium, async (page) => {
      const ms = await openedMs(page, `${url}/tasks/${ID}`, '.span-row');
      opened.push(ms);
      const answered = await page.evaluate(
        () =>
          performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/trace')).responseEnd,
      );
      drawn.push(ms - answered);
      gaps.push(
        ...(await page.evaluate(
          (count) => globalThis.bench.frames(document.querySelector('.timeline-rows'), count),
          FRAMES,
        )),
      );
      memory.push(await pageMemoryMb(page));
    });
  }
  const [p50, all] = [quantile(drawn, 0.5), quantile(opened, 0.5)];
  const rate = 1_000 / (gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length);
  return [
    {
      what: `page: ${SPANS} spans drawn once they are there, p50 / ${DRAWN_MS_MAX} ms`,
      ratio: times(p50 / DRAWN_MS_MAX),
      absolute: `p50 ${p50.toFixed(0)} ms, most ${Math.max(...drawn).toFixed(0)} ms; from the opening of the page ${all.toFixed(0)} ms`,
      aim: '<= 1x',
      met: p50 <= DRAWN_MS_MAX,
    },
    {
      what: `page: frames a second while they scroll / ${FRAMES_A_SECOND_MIN}`,
      ratio: times(rate / FRAMES_A_SECOND_MIN),
      absolute: `${rate.toFixed(1)}/s, longest ${Math.max(...gaps).toFixed(0)} ms; ${quantile(memory, 0.5).toFixed(0)} MB`,
      aim: '>= 1x',
      met: rate >= FRAMES_A_SECOND_MIN,
    },
  ];
}
