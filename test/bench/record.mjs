import { endChild, nextLine, startChild, withTempDir } from './child.mjs';
import { median, medianRatio, times } from './figures.mjs';

/** CPU time of recording a line in the caller's thread, compared to pino, which writes the same to a file in sync mode. */
export async function benchRecord() {
  const figures = await measured('may');
  const { tick10: sending, pino10: pinoThen } = await measured('never');
  const { tick10, pino10, tick1, pino1, whole, off } = figures;
  const us = (values) => median(values).toFixed(1);
  const ten = medianRatio(tick10, pino10);
  return [
    {
      what: 'record a line of output, 10 per tick / pino sync',
      ratio: times(ten),
      absolute: `${us(tick10)} us / ${us(pino10)} us`,
      aim: 'at most 1.5x',
      met: ten <= 1.5,
    },
    {
      what: 'record a line of output, 1 per tick / pino sync',
      ratio: times(medianRatio(tick1, pino1)),
      absolute: `${us(tick1)} us / ${us(pino1)} us`,
    },
    {
      what: '... with a holder in a thread of the process / pino sync',
      ratio: times(medianRatio(whole, pino10)),
      absolute: `${us(whole)} us / ${us(pino10)} us`,
    },
    {
      what: "... in a process that only sends (hold: 'never') / pino sync",
      ratio: times(medianRatio(sending, pinoThen)),
      absolute: `${us(sending)} us / ${us(pinoThen)} us`,
      aim: 'at most 1.5x',
      met: medianRatio(sending, pinoThen) <= 1.5,
    },
    {
      what: 'the same call, telemetry off / pino sync',
      ratio: times(off / median(pino10)),
      absolute: `${(off * 1000).toFixed(0)} ns / ${us(pino10)} us`,
      aim: 'at most 0.05x',
      met: off / median(pino10) <= 0.05,
    },
  ];
}

/** The figures of a process of its own, which holds the log directory (`may`) or only sends (`never`). */
function measured(hold) {
  return withTempDir(async (dir) => {
    const child = startChild('record-process.mjs', { dir, args: [hold] });
    try {
      return JSON.parse(await nextLine(child, (line) => line));
    } finally {
      await endChild(child);
    }
  });
}
