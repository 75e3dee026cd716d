// The Debian packages that the system tests and the benchmark need, and how to tell that one is there. A system that
// is not Debian may have the programs under other package names; what counts is that they are found.

export interface TestPackage {
  readonly name: string;
  readonly reason: string;
  /** Any of these shows that it is installed: a program on the search path, or a file by its full path. */
  readonly shownBy: readonly string[];
  /** Heavy, and for one client's test alone: where it cannot be installed that test says so and is skipped. */
  readonly isOptional?: true;
}

export const testPackages: readonly TestPackage[] = [
  { name: 'curl', reason: 'a client for IMAP, POP3, SMTP and the admin API', shownBy: ['curl'] },
  { name: 'openssl', reason: 'test certificates, and s_client against the TLS ports', shownBy: ['openssl'] },
  { name: 'gnutls-bin', reason: 'a TLS client that is not OpenSSL', shownBy: ['gnutls-cli'] },
  { name: 'swaks', reason: 'scripted SMTP and LMTP sessions with TLS and AUTH', shownBy: ['swaks'] },
  {
    name: 'libnet-ssleay-perl',
    reason: 'TLS for swaks',
    shownBy: ['/usr/share/doc/libnet-ssleay-perl', '/usr/share/perl5/vendor_perl/Net/SSLeay.pm'],
  },
  { name: 'isync', reason: 'mbsync: full synchronisation both ways over IMAP', shownBy: ['mbsync'] },
  { name: 'fetchmail', reason: 'draining a mailbox over POP3 and IMAP', shownBy: ['fetchmail'] },
  { name: 'getmail6', reason: 'a second POP3 client, which keeps UIDLs between runs', shownBy: ['getmail'] },
  { name: 'neomutt', reason: 'a mail reader, driven in batch mode', shownBy: ['neomutt'] },
  {
    name: 'offlineimap3',
    reason: 'synchronises whole accounts both ways over IMAP',
    shownBy: ['offlineimap'],
  },
  {
    name: 'thunderbird',
    reason: 'a mail reader with windows, driven over Marionette',
    shownBy: ['thunderbird'],
    isOptional: true,
  },
  { name: 'xvfb', reason: 'a screen for Thunderbird', shownBy: ['Xvfb'], isOptional: true },
  { name: 'bsdutils', reason: 'script: a terminal for neomutt', shownBy: ['script'] },
  { name: 'python3', reason: 'imaplib, smtplib and poplib', shownBy: ['python3'] },
  {
    name: 'haproxy',
    reason: 'the balancer that Rookery writes configuration for, in front of real nodes',
    shownBy: ['haproxy'],
  },
  {
    name: 'keepalived',
    reason: 'checks the configuration that Rookery writes for the floating address',
    shownBy: ['keepalived'],
  },
  { name: 'nsd', reason: 'a name server for the zone that Rookery writes', shownBy: ['nsd'] },
  {
    name: 'iproute2',
    reason: 'networks of their own for the tiers of a site, joined as a test wants them',
    shownBy: ['ip'],
  },
  { name: 'zsh', reason: 'completion', shownBy: ['zsh'] },
  { name: 'dovecot-core', reason: 'the peer that the benchmark measures against', shownBy: ['dovecot'] },
  {
    name: 'dovecot-imapd',
    reason: "the peer's IMAP server",
    shownBy: ['/usr/lib/dovecot/imap', '/usr/libexec/dovecot/imap'],
  },
  {
    name: 'dovecot-lmtpd',
    reason: "the peer's LMTP server",
    shownBy: ['/usr/lib/dovecot/lmtp', '/usr/libexec/dovecot/lmtp'],
  },
  {
    name: 'dovecot-pop3d',
    reason: "the peer's POP3 server",
    shownBy: ['/usr/lib/dovecot/pop3', '/usr/libexec/dovecot/pop3'],
  },
  {
    name: 'postfix',
    reason: 'a real mail server that delivers to ours over SMTP and LMTP',
    shownBy: ['postfix'],
  },
  {
    name: 'postgresql',
    reason: 'the engine of clusters; the tests start servers of their own',
    shownBy: ['18', '17', '16', '15', '14'].map((version) => `/usr/lib/postgresql/${version}/bin/initdb`),
  },
];

/** What the benchmark measures a frontend against; no test needs them. */
export const frontendPackages: readonly TestPackage[] = [
  { name: 'nginx', reason: 'a peer of a frontend: its mail proxy', shownBy: ['nginx'] },
  {
    name: 'libnginx-mod-mail',
    reason: "nginx's mail proxy",
    shownBy: ['/usr/lib/nginx/modules/ngx_mail_module.so'],
  },
  { name: 'perdition', reason: 'a peer of a frontend: a mail proxy', shownBy: ['perdition'] },
];
