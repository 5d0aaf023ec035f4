import DOMPurify, { type Config } from 'dompurify';
import { Marked } from 'marked';

/** HTML in a message stays text, and a picture is named: it would be a request to another host. */
const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) => escaped(`![${text}](${href})`),
  },
});

/** Forms, styles and frames would change the page. */
const CONFIG: Config = {
  ALLOWED_TAGS: [
    'a',
    'blockquote',
    'br',
    'code',
    'del',
    'em',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'hr',
    'li',
    'ol',
    'p',
    'pre',
    'strong',
    'table',
    'tbody',
    'td',
    'th',
    'thead',
    'tr',
    'ul',
  ],
  ALLOWED_ATTR: ['href', 'start', 'align'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^https?:\/\//i,
  RETURN_DOM_FRAGMENT: true,
};

/** Headings of a message are below those of the page. */
const HEADINGS = 'h1, h2, h3, h4, h5, h6';

/**
 * Quotes and lists in each other, at the start of a line. The time to read them grows with the square of their number: no
 * person nests so many.
 */
const TOO_DEEP = /^(?:[ \t]{0,8}(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))){21}/m;

/** Markup of a text that may be anything. Throws on what nests too deep. */
export function renderMarkdown(text: string): DocumentFragment {
  if (TOO_DEEP.test(text)) throw new RangeError('the text nests too deep');
  const html = marked.parse(text) as string;
  const fragment = DOMPurify.sanitize(html, CONFIG) as unknown as DocumentFragment;
  for (const link of fragment.querySelectorAll('a[href]')) {
    link.setAttribute('target', '_blank');
    link.setAttribute('rel', 'noopener noreferrer nofollow');
    // Where it leads, also when its text says otherwise.
    link.setAttribute('title', link.getAttribute('href') ?? '');
  }
  for (const heading of fragment.querySelectorAll(HEADINGS)) {
    const paragraph = document.createElement('p');
    paragraph.className = 'heading';
    paragraph.append(...heading.childNodes);
    heading.replaceWith(paragraph);
  }
  for (const table of fragment.querySelectorAll('table')) {
    const frame = document.createElement('div');
    frame.className = 'table-frame';
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
