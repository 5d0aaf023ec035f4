/** Where a command, a call or a line of a protocol has a secret: a word at a place of its own, without a name before it. */
export interface CommandRule {
  /** What stands before. No quotation marks and no backslashes, which JSON text writes in another way. */
  readonly hints: readonly string[];
  /** What else stands before in the same line: at most 300 characters are looked at. Default: anything. */
  readonly commands?: RegExp;
  /** Words between the hint and the word of the value. */
  readonly skip?: RegExp;
  /** What stands before the value in its word: a user and a colon. */
  readonly within?: RegExp;
  /** What stands behind the value. */
  readonly behind?: RegExp;
  /** A sign that ends the value. Default: none but blanks, quotation marks and signs of a shell. */
  readonly until?: string;
  /** The place has other words too: the value must look like a password or a token. */
  readonly isMixed?: boolean;
  /** What no word or identifier looks like. */
  readonly isStrong?: boolean;
  /** Only a word in quotation marks. */
  readonly isQuoted?: boolean;
}

const WEB = /(?<!\w|\w-)(?:curl|wget|https?|xh|lftp|ftp|ab)(?![\w-])/;
const USER = /[^\s"'`:\\$]{0,120}:(?!\/\/)/y;

/** Of a command with an account or a login, an option `-p` is a password and no port. */
const ACCOUNT = /\s(?:-u|-U|-l|-x|--user(?:name)?|--apple-id)[ =]?\S|\blogin\b/;

/** Options of commands. */
const OPTIONS: readonly CommandRule[] = [
  { hints: [' -u', ' --user', ' --proxy-user', ' -U '], commands: WEB, skip: /[= ]{0,4}/y, within: USER },
  { hints: ['curl -'], skip: /[a-zA-Z]{1,8}u {1,4}/y, within: USER },
  { hints: [' -a ', ' --auth ', ' -A '], commands: WEB, within: USER },
  { hints: [' -auth '], commands: /\bjenkins/, within: USER },
  { hints: ['-creds ', '-creds=', ' --creds ', ' --creds='], within: USER },
  { hints: [' --cert ', ' -E '], commands: /\bcurl\b/, within: /[^\s"'`:\\$]{1,120}:/y },
  { hints: [' -b ', ' --cookie '], commands: /\bcurl\b/, within: /[\w.-]{1,80}=(?=[^\s"'`\\;|&]{8})/y },
  {
    hints: [' -p'],
    commands: /\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb|mariadb-dump|sshpass|7za?|unrar|rar)\b/,
  },
  { hints: [' -hp'], commands: /\brar\b/ },
  {
    hints: [' -p '],
    commands:
      /\b(?:sshpass|mongo|mongosh|mongodump|mongorestore|twine upload|conan|security unlock-keychain|cqlsh|cypher-shell|rabbitmqadmin)\b/,
  },
  { hints: [' -p ', ' -P ', ' -p=', ' -w '], commands: ACCOUNT, isMixed: true },
  { hints: [' -a '], commands: /\bredis-cli\b/ },
  {
    hints: [' -P '],
    commands: /\b(?:zip|unzip|sqlcmd|bcp|isql|tsql|mosquitto_pub|mosquitto_sub|ipmitool|security import)\b/,
  },
  { hints: [' -P '], commands: /\bp4\b/, isMixed: true },
  { hints: [' -N '], commands: /\bssh-keygen\b/ },
  { hints: [' -w '], commands: /\b(?:ldap[a-z]{3,8}|security add-[a-z]{1,12}-password)\b/ },
  { hints: [' -s '], commands: /\b(?:ldappasswd|slappasswd)\b/ },
  {
    hints: [' -t ', ' auth ', ' login '],
    commands: /\b(?:doctl|snyk|cargo|vault|codecov|nomad|twilio)\b/,
    isMixed: true,
  },
  { hints: [' -U '], commands: /\b(?:smbclient|rpcclient)\b/, within: /[^\s"'`%\\]{1,80}%/y },
  { hints: ['smbclient //'], skip: /[^\s"'`\\]{1,120} /y, isMixed: true },
  { hints: [' -A ', ' -X '], commands: /\bsnmp[a-z]{3,8}\b/, isMixed: true },
  { hints: [' -k ', ' -K '], commands: /\b(?:openssl|nuget)\b/, isMixed: true },
  { hints: [' --key '], isMixed: true },
  { hints: [' -pw '] },
  { hints: [' -ap '], commands: /\bswaks\b/ },
  { hints: [' -upw ', ' -opw '], commands: /\bpdf/ },
  { hints: [' input_pw ', ' user_pw ', ' owner_pw '] },
  { hints: [' --encrypt '], commands: /\bqpdf\b/ },
  { hints: [' /p:'], commands: /\b(?:[wx]?freerdp|mstsc)\b/ },
  { hints: [' --value ', ' --value='], commands: /put-parameter|\bsecrets? (?:set|create|put|add)\b/ },
  { hints: ['password-command ', 'password-command=', 'passwordeval '], within: /echo (?:-n )?/y },
];

/** Words of a command at a place of their own. */
const WORDS: readonly CommandRule[] = [
  { hints: ['htpasswd -'], skip: /[a-mo-zA-Z]{1,6} (?:-\w{1,4} ){0,4}[^\s]{1,200} [^\s]{1,80} /y },
  { hints: ['htpasswd -'], skip: /[a-zA-Z]{0,4}n[a-zA-Z]{0,4} (?:-\w{1,4} ){0,4}[^\s]{1,80} /y },
  { hints: ['net use', 'NET USE'], skip: / (?:\S{1,120} ){0,2}\/(?:user|USER):\S{1,80} /y, isMixed: true },
  { hints: ['net use', 'NET USE'], skip: / (?:\w: )?\\{2,16}\S{1,120} /y, isMixed: true },
  { hints: ['net use', 'NET USE'], skip: /[rR] \S{1,80} /y, behind: /["']? +\/add/iy },
  { hints: ['poetry config '], skip: /pypi-token\.\S{1,60} /y },
  { hints: ['poetry config ', 'composer config '], skip: /(?:-\S{1,12} )?http-basic\.\S{1,120} \S{1,80} /y },
  { hints: ['composer config '], skip: /(?:-\S{1,12} )?[a-z]{1,20}-(?:oauth|token)\.\S{1,120} /y },
  { hints: ['bundle config '], skip: /(?:set )?(?:--\w{1,10} )?\S{1,120} /y, within: USER },
  { hints: ['BUNDLE_'], skip: /[A-Z0-9_]{1,80}[=:] ?/y, within: USER },
  {
    hints: ['vault unseal ', 'operator unseal ', 'bw unlock '],
    skip: /(?:--?\w{1,12} ){0,2}/y,
    isMixed: true,
  },
  { hints: ['bw login '], skip: /\S{1,80} /y, isMixed: true },
  { hints: ['op signin '], skip: /(?:\S{1,80} ){2,3}/y, isMixed: true },
  { hints: ['op signin '], skip: /(?:\S{1,80} ){2}/y, isMixed: true },
  { hints: ['set-agent-token '], skip: /\w{1,20} /y },
  { hints: ['cf auth '], skip: /\S{1,80} /y },
  { hints: ['twilio login '], skip: /\S{1,60} /y, isMixed: true },
  { hints: ['cloudflared service ', 'rclone obscure '], skip: /(?:install )?/y },
  { hints: ['wpa_passphrase '], skip: /\S{1,40} /y },
  {
    hints: ['rabbitmqctl add_user ', 'rabbitmqctl change_password ', 'rabbitmqctl authenticate_user '],
    skip: /\S{1,80} /y,
  },
  { hints: ['mosquitto_passwd -b '], skip: /\S{1,120} \S{1,80} /y },
  { hints: ['lftp -u '], within: /[^\s"'`,:\\]{1,80},/y },
  {
    hints: ['sqlplus ', 'expdp ', 'impdp ', 'sqlldr ', 'rman target '],
    skip: /(?:-\w{1,8} ){0,3}/y,
    within: /[^\s/@"'`]{1,60}\/["']?/y,
    until: '@',
  },
  { hints: ['jdbc:oracle:'], within: /[a-z0-9]{1,10}:[^\s/@"'`\\]{1,60}\//y, until: '@' },
  { hints: ['iwconfig '], skip: /\S{1,20} key /y, within: /s:/y },
  { hints: ['snmp-server community ', 'isakmp key '] },
  { hints: ['nseal Key '], skip: /\d{1,2}: ?/y },
  { hints: ['sonar.login=', 'secret_id='], isMixed: true },
  // Of an address: the code of OAuth, and a key without another name.
  {
    hints: ['?key=', '&key=', '?code=', '&code='],
    skip: /(?=[\w.~%+/=-]{16})/y,
    isMixed: true,
    isStrong: true,
  },
  { hints: ['ACL SETUSER ', 'acl setuser '], within: /(?:[^\s>"']{1,60} ){1,8}[>#]/y },
  {
    hints: ['AUTH ', 'auth '],
    commands: /(?:^|[>\]"'`] ?|HELLO 3 )$/,
    skip: /[\w.-]{1,40} /y,
    isMixed: true,
  },
  { hints: ['AUTH PLAIN ', 'AUTH XOAUTH2 '] },
  { hints: ['334 UGFzc3dvcmQ6'], skip: /\s{0,8}(?:[CS]: |[<>] )?/y },
  {
    hints: [' LOGIN '],
    commands: /(?:^|[\s:"'`])[A-Za-z]?\d{0,6}$/,
    skip: /["']?[^\s"']{1,80}["']? /y,
    isMixed: true,
  },
  { hints: ['PASS '], commands: /(?:^|[>:] ?)$/, isMixed: true },
  { hints: [':*:*:'], within: /[^:\s]{1,63}:/y },
  { hints: ['*:*:', ':5432:', ':5433:', ':6432:', ':3306:'], within: /[^:\s]{1,63}:[^:\s]{1,63}:/y },
  { hints: ['xpect '], skip: /[^\n]{0,120}?\bsend (?:-- )?/y, isQuoted: true, isMixed: true },
];

/** Statements of SQL and calls of programs: a text in quotation marks. */
const CALLS: readonly CommandRule[] = [
  { hints: ['IDENTIFIED BY '], skip: /(?:PASSWORD )?/y, isQuoted: true },
  {
    hints: ['identified by '],
    // Prose has the words too.
    commands: /(?:create|alter)\s+(?:user|role)\b|\bgrant\b/i,
    isQuoted: true,
  },
  {
    hints: ['IDENTIFIED WITH ', 'identified with '],
    skip: /[\w"'`]{1,60} (?:BY|AS|by|as) /y,
    isQuoted: true,
  },
  {
    hints: ['PASSWORD FOR ', 'password for '],
    commands: /\bset $/i,
    skip: /[^\s=]{1,120} ?= ?(?:PASSWORD\(|password\()?/y,
    isQuoted: true,
  },
  { hints: ['sp_addlogin ', 'sp_password '], skip: /N?'[^']{0,80}', ?N?/y, isQuoted: true },
  {
    hints: [
      'pgp_sym_decrypt(',
      'pgp_sym_encrypt(',
      'AES_DECRYPT(',
      'AES_ENCRYPT(',
      'aes_decrypt(',
      'aes_encrypt(',
    ],
    skip: /[^,()]{1,200}, ?/y,
    isQuoted: true,
  },
  { hints: ['ConvertTo-SecureString '], skip: /(?:-String |-AsPlainText |-Force ){0,3}/y },
  { hints: ['AsPlainText '], skip: /(?:-Force )?(?:-String )?/y, isQuoted: true },
  {
    hints: [
      'auth=(',
      'HTTPBasicAuth(',
      'SetBasicAuth(',
      'basic_auth(',
      'basicAuth(',
      'db.auth(',
      'changeUserPassword(',
      'NetworkCredential(',
      'Credentials(',
      'Authenticator(',
      'PasswordAuthentication(',
    ],
    skip: /(?:\s{0,4}\\{0,15}["'][^"'\n\\]{0,120}\\{0,15}["'],\s{0,4}){1,3}/y,
    isQuoted: true,
  },
  {
    hints: ['mysqli_connect(', 'mysqli(', 'PDO(', 'getConnection(', 'PlainAuth('],
    skip: /(?:\s{0,4}\\{0,15}["'][^"'\n\\]{0,200}\\{0,15}["'],\s{0,4}){2}/y,
    isQuoted: true,
  },
];

export const COMMAND_RULES: readonly CommandRule[] = [...OPTIONS, ...WORDS, ...CALLS];

/** What reads a secret from its standard input. */
export const READERS: RegExp =
  /(?:--password-stdin|--with-token|--passwd-fd|--passphrase-fd|--token-stdin|-pass stdin|--stdin\b|\bsudo\b[^|]{0,40}-S|\bchpasswd\b|\bpasswd\b|\bkinit\b|\bluks[A-Z]\w{1,12}|--key-file[= ]-|\bsecrets? (?:put|set|create|add|versions)\b|\bsecrets? [^|]{1,60}--data-file|\bvncpasswd\b|\blpass\b|\bpass insert\b|\bhcloud context\b|\bauth-user-pass\b|\b(?:auth )?login\b)/;
