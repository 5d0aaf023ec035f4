/** Installed in each document before its scripts: measures what a reader sees, with the clock of the page. */
export function installProbe() {
  /** Behind the frame that is being made. */
  const afterDrawing = (call) => requestAnimationFrame(() => setTimeout(call));
  globalThis.bench = {
    /** Milliseconds from the start of the navigation until something that matches was drawn. */
    drawnMs: (selector) =>
      new Promise((resolve) => {
        const look = () => {
          if (document.querySelector(selector) === null) return false;
          observer.disconnect();
          afterDrawing(() => resolve(performance.now()));
          return true;
        };
        const observer = new MutationObserver(look);
        observer.observe(document, { childList: true, subtree: true, attributes: true });
        look();
      }),

    /** Milliseconds from the next key until a frame was drawn in which `isDone` is true. */
    keyMs: (isDone) =>
      new Promise((resolve) => {
        const onKey = ({ timeStamp }) => {
          const look = () => {
            if (isDone()) setTimeout(() => resolve(performance.now() - timeStamp));
            else requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        };
        addEventListener('keydown', onKey, { capture: true, once: true });
      }),

    /** Whether a line of the transcript is in the window. */
    isLineSeen: (number) => {
      const place = document.querySelector(`[data-line~="${number}"]`)?.getBoundingClientRect();
      return place !== undefined && place.top < innerHeight && place.bottom > 0;
    },

    /** Scrolls an element to its end and back, a step each frame. The milliseconds between the frames. */
    frames: (element, count) =>
      new Promise((resolve) => {
        const way = element.scrollHeight - element.clientHeight;
        const gaps = [];
        let last;
        const step = (now) => {
          if (last !== undefined) gaps.push(now - last);
          last = now;
          element.scrollTop = way * (1 - Math.abs(1 - (2 * gaps.length) / count));
          if (gaps.length < count) requestAnimationFrame(step);
          else resolve(gaps);
        };
        requestAnimationFrame(step);
      }),

    /** Collects for each `mark <n> at <ms>.` of the last lines the milliseconds until it was drawn. */
    collectMarks: () => {
      const marks = new Map();
      let isWaiting = false;
      const look = () => {
        isWaiting = false;
        const pages = [...document.querySelectorAll('.output-page')].slice(-2);
        const text = pages.map(({ textContent }) => textContent).join('\n');
        const fresh = [...text.matchAll(/mark (\d+) at (\d+)\./g)].filter(([, n]) => !marks.has(n));
        for (const [, n] of fresh) marks.set(n, undefined);
        const drawn = () => {
          for (const [, n, sent] of fresh) marks.set(n, Date.now() - Number(sent));
        };
        if (fresh.length > 0) setTimeout(drawn);
      };
      new MutationObserver(() => {
        if (!isWaiting) requestAnimationFrame(look);
        isWaiting = true;
      }).observe(document, { childList: true, subtree: true, characterData: true });
      globalThis.bench.marks = marks;
    },
  };
}
