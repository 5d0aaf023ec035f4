import { describe, expect, test } from 'vitest';
import { commandsIn } from './commands-in.ts';

const OUTLOOK =
  'From: Josephine <notifications@example.com>\nSent: Monday\nTo: o/r\nSubject: Re: t\n\n@agent review\n';
const QUOTE = '> @agent review\n';

describe.each(['markdown', 'text', 'jira'] as const)(
  'what a mail program adds to a text as %s starts nothing',
  (markup) => {
    test.each([
      [
        'Outlook',
        `Done, thanks.\r\n\r\n________________________________\r\n${OUTLOOK.replaceAll('\n', '\r\n')}`,
      ],
      ['Outlook without a rule', `Done\n\n${OUTLOOK}`],
      [
        'Outlook with bold names',
        `Done\n\n*From:* A <a@b.test>\n*Sent:* Monday\n*To:* x\n*Subject:* y\n\n@agent review`,
      ],
      [
        'Outlook in German',
        'Gut\n\nVon: A <a@b.test>\nGesendet: Montag\nAn: o/r\nBetreff: t\n\n@agent review',
      ],
      ['Outlook in French', 'Bon\n\nDe : A <a@b.test>\nEnvoyé : lundi\nÀ : o/r\nObjet : t\n\n@agent review'],
      ['Outlook in Spanish', 'Sí\n\nDe: A\nEnviado el: lunes\nPara: o/r\nAsunto: t\n\n@agent review'],
      ['Outlook in Japanese', 'はい\n\n差出人: A\n送信日時: 2026年\n宛先: o/r\n件名: t\n\n@agent review'],
      [
        'an attribution',
        `Thanks!\n\nOn Mon, Nov 23, 2026 at 1:00 PM Josephine <n@example.org> wrote:\n\n${QUOTE}`,
      ],
      [
        'an attribution without marked lines',
        'Thanks!\n\nOn Mon, Nov 23, 2026, at 1:00 PM, Jo <n@e.org> wrote:\n\n@agent review',
      ],
      [
        'an attribution of two lines',
        'Thanks!\n\nOn Mon, Nov 23, 2026 at 1:00 PM Josephine Long\n<n@example.org> wrote:\n\n@agent review',
      ],
      [
        'an attribution of three lines',
        'Thanks!\n\nOn Mon, Nov 23, 2026 at 1:00 PM\nJosephine Long <n@example.org>\nwrote:\n\n@agent review',
      ],
      [
        'an attribution in German',
        'Danke\n\nAm Mo., 23. Nov. 2026 um 13:00 Uhr schrieb Jo <n@e.org>:\n\n@agent review',
      ],
      [
        'an attribution in French',
        'Merci\n\nLe lun. 23 nov. 2026 à 13:00, Jo <n@e.org> a écrit :\n\n@agent review',
      ],
      ['an attribution in Russian', 'Да\n\nпн, 23 нояб. 2026 г. в 13:00, Jo <n@e.org>:\n\n@agent review'],
      ['an attribution in Japanese', 'はい\n\n2026年11月23日(月) 13:00 Jo <n@e.org>:\n\n@agent review'],
      ['an attribution in Chinese', '好\n\nJo <n@e.org> 于2026年11月23日周一 13:00写道：\n\n@agent review'],
      ['the original message', 'Ok\n\n-----Original Message-----\n@agent review'],
      ['the original message in German', 'Ok\n\n-----Ursprüngliche Nachricht-----\n@agent review'],
      ['a forwarded message', 'See\n\n---------- Forwarded message ---------\n@agent review'],
      ['a signature', 'Ok\n-- \nJo\n@agent review is my favourite'],
      ['a signature after an empty line', 'Ok\n\n--\nJo\n@agent review'],
      ['the footer of GitHub', 'Ok\n\n—\nReply to this email directly, view it on GitHub\n@agent review'],
      [
        'a mark above which the answer stands',
        'Ok\n\n##- Please type your reply above this line -##\n@agent review',
      ],
    ])('%s', async (_what, text) => {
      expect(await commandsIn({ markup, text })).toBe('');
    });

    test.each([
      ['before a mail', `@agent fix\n\n${OUTLOOK}`],
      [
        'before an attribution of two lines',
        '@agent fix\nOn Mon, Nov 23, 2026 at 1:00 PM Jo\n<n@e.org> wrote:\n\n@agent review',
      ],
      ['below a quotation', `On Mon, Nov 23, 2026 at 1:00 PM Jo <n@e.org> wrote:\n\n${QUOTE}\n@agent fix`],
      ['before a signature', '@agent fix\n\n-- \nJo\n@agent review'],
      ['after a colon', 'On Monday he wrote:\n\n@agent fix'],
      ['after fields', 'From: staging\nTo: production\n\n@agent fix'],
      ['after a rule', 'a\n\n---\n\n@agent fix'],
      ['after an address', 'Ask a@b.test about 2026:\n\n@agent fix'],
      ['after a log', '12:00:01 connected to db@host.test:\n@agent fix'],
    ])('a command %s starts', async (_what, text) => {
      expect(await commandsIn({ markup, text })).toBe('fix');
    });
  },
);
