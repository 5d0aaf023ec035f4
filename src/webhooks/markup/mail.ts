import { type Line, QUOTED } from './own-words.ts';

/** Longer lines are prose. It also bounds the work of the patterns. */
const LINE_CHARS_MAX = 400;
/** Lines over which mail programs wrap an attribution. */
const ATTRIBUTION_LINES = 3;
/** Lines of a header block that are looked at: its fields may be wrapped. */
const HEADER_LINES = 8;

/** What ends the author's own text, at the start of a line. */
const END = new RegExp(
  [
    // RFC 3676, 4.3, also without its space: many programs remove it.
    /^--\s?$/,
    /^[\s—_*-]{0,10}(?:Reply to this email directly\b|You are receiving this because you|You're receiving this email because)/,
    /^[\s#-]{2,20}.{0,40}\breply above this line\b/,
    // `-----Original Message-----`, in the languages of Outlook and Gmail.
    /^[\s>*]{0,4}(?:-{3,20}|_{3,20})\s?(?:original|forwarded|ursprüngliche|originalnachricht|weitergeleitete|message d.origine|message transféré|mensaje original|mensaje reenviado|mensagem original|mensagem encaminhada|messaggio originale|messaggio inoltrato|oorspronkelijk|doorgestuurd|ursprungligt|vidarebefordrat|oprindelig|videresendt|opprinnelig|oryginalna|wiadomość oryginalna|původní|исходное|пересылаем|転送|元のメッセージ|原始邮件|转发|원본)/,
    /^Begin forwarded message:/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** Names of header fields in the languages of mail programs. */
const FIELDS: Readonly<Record<'from' | 'sent' | 'to' | 'subject', RegExp>> = {
  from: field(
    'From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|От|Від|Kimden|Feladó|De la|差出人|发件人|寄件者|보낸 사람|מאת|من',
  ),
  sent: field(
    'Sent|Date|Gesendet|Datum|Envoyé|Enviado(?: el| em)?|Fecha|Data|Inviato|Verzonden|Skickat|Sendt|Dato|Lähetetty|Wysłano|Odesláno|Отправлено|Дата|Gönderilme|Tarih|Elküldve|送信日時|日付|发送时间|日期|보낸 날짜|날짜',
  ),
  to: field('To|An|À|Para|A|Aan|Till|Til|Vastaanottaja|Do|Komu|Кому|Kime|Címzett|宛先|收件人|받는 사람'),
  subject: field(
    'Subject|Betreff|Objet|Asunto|Assunto|Oggetto|Onderwerp|Ämne|Emne|Aihe|Temat|Předmět|Тема|Konu|Tárgy|件名|主题|主旨|제목',
  ),
};

function field(names: string): RegExp {
  return new RegExp(`^[\\s>*_]{0,4}(?:${names})\\s?[*_]{0,2}\\s?[:：]`, 'i');
}

/** Verbs before or after the name in an attribution: "On ... Jo wrote:". */
const WROTE =
  /(?:^|[\s,>)])(?:wrote|writes|schrieb|a écrit|escribió|escreveu|ha scritto|scrisse|schreef|skrev|kirjoitti|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|написал(?:\(а\)|а)?|пишет|yazdı|írta|a scris|έγραψε)\b|(?:写道|寫道|님이 작성|のメッセージ|さんは書きました)/iu;
const ADDRESS = /[^\s<>@]@[^\s<>@]+\.[^\s<>@]/;
const DATE = /(?:19|20)\d\d|\d{1,2}[:.h]\d{2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{2}/;
const FIRST_WORD =
  /^[\s>*_]{0,4}(?:On|Am|Le|El|Em|Il|Op|Den|Dne|Dnia|W dniu|Vào|Pada|Στις|В|\p{L}{2,5}\.?,|[12]\d{3}|\d{1,2}[ .])/iu;

/**
 * The author's own lines of a mail reply: without the message that is answered, what introduces it, and signatures. In
 * text that was no mail it finds nothing to leave out.
 */
export function withoutMailParts(lines: readonly Line[]): string[] {
  const own: string[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    if (line === undefined || line === QUOTED) continue;
    if (line.length <= LINE_CHARS_MAX) {
      if (END.test(line) || isHeaderBlock(lines, at)) break;
      const length = attributionLength(lines, at);
      if (length > 0) {
        const next = nextLine(lines, at + length);
        // A quotation that is marked as one ends by itself, and the author may go on behind it.
        if (lines[next] !== QUOTED) break;
        at = next;
        continue;
      }
    }
    own.push(line);
  }
  return own;
}

/** Outlook writes the fields of the answered message above it, in the language of its user. */
function isHeaderBlock(lines: readonly Line[], at: number): boolean {
  const first = lines[at];
  if (typeof first !== 'string' || !FIELDS.from.test(first)) return false;
  const found = new Set<string>();
  for (const line of lines.slice(at + 1, at + HEADER_LINES)) {
    // A second message, or prose.
    if (line === QUOTED || line.length > LINE_CHARS_MAX || FIELDS.from.test(line)) break;
    for (const [name, pattern] of Object.entries(FIELDS)) {
      if (name !== 'from' && pattern.test(line)) found.add(name);
    }
  }
  return found.size >= 2;
}

/** The number of lines of the attribution that begins here; 0 without one. */
function attributionLength(lines: readonly Line[], at: number): number {
  if (!lines.slice(at, at + ATTRIBUTION_LINES).some(endsInColon)) return 0;
  let text = '';
  for (let length = 1; length <= ATTRIBUTION_LINES; length += 1) {
    const line = lines[at + length - 1];
    if (typeof line !== 'string' || line.length > LINE_CHARS_MAX) return 0;
    text = length === 1 ? line : `${text} ${line}`;
    if (length > 1 && (!FIRST_WORD.test(text) || isAttribution(line))) return 0;
    if (isAttribution(text)) return length;
  }
  return 0;
}

function endsInColon(line: Line): boolean {
  return typeof line === 'string' && /[:：]/.test(line.slice(-6));
}

function isAttribution(text: string): boolean {
  if (!/[:：][*_\s]{0,4}$/.test(text) || !DATE.test(text)) return false;
  return WROTE.test(text) || (ADDRESS.test(text) && FIRST_WORD.test(text));
}

function nextLine(lines: readonly Line[], from: number): number {
  let at = from;
  for (let line = lines[at]; typeof line === 'string' && line.trim() === ''; line = lines[at]) at += 1;
  return at;
}
