import { describe, expect, test } from 'vitest';
import { findBarriers, isBrowserMissing, overflowOf, useBrowser } from '../../support/browser.ts';
import { usePageService } from './page-service.ts';
import { VIEWS } from './recorded.mjs';

const PHONE = { width: 390, height: 844 };

describe.skipIf(isBrowserMissing)('in a browser', () => {
  const browser = useBrowser();
  const own = usePageService();

  test.each(VIEWS)('the view $name keeps the policy, and fits a phone', async ({ path, ready }) => {
    const { page } = await browser.tab();
    await page.goto(own.url + path(own.recorded));
    await page.waitForSelector(ready);
    await page.setViewportSize(PHONE);
    await page.waitForSelector(ready);
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    expect(await page.evaluate('window.__ran')).toBeUndefined();
  });

  test.each(VIEWS)('axe finds nothing in the view $name, light and dark', async ({ path, ready }) => {
    const { page } = await browser.tab({ bypassCSP: true, reducedMotion: 'reduce' });
    await page.goto(own.url + path(own.recorded));
    await page.waitForSelector(ready);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
  });

  test('what is wrong with a page is seen: a barrier, a script that the policy refuses, another host', async () => {
    const open = await browser.tab({ bypassCSP: true });
    await open.page.goto(own.url);
    await open.page.waitForSelector('.task-row');
    await open.page.evaluate("document.querySelector('main').append(document.createElement('img'))");
    expect((await findBarriers(open.page)).join()).toContain('image-alt');
    const { page, problems } = await browser.tab();
    await page.goto(own.url);
    await page.evaluate(`(() => {
      const script = document.createElement('script');
      try { script.textContent = 'window.__ran = 9'; } catch {}
      document.body.append(script);
      const image = document.createElement('img');
      image.src = 'http://tracker.example/x.png';
      document.body.append(image);
    })()`);
    await expect.poll(() => problems.join()).toMatch(/TrustedScript/);
    await expect.poll(() => problems.join()).toMatch(/img-src/);
    expect(await page.evaluate('window.__ran')).toBeUndefined();
    problems.splice(0);
  });
});
