/**
 * Google Drive's pages between a link and a file. A file that is too large for Drive's virus scan answers with a page
 * whose form (since 2024) or link (before) leads to the file; a file asked for too often answers with a page that says so.
 */
const ADDRESS = 'https://drive.google.com/uc?export=download&id=';

export function driveAddress(id: string, address: string = ADDRESS): string {
  return `${address}${id}`;
}

/** Where a person would open it. */
export function drivePage(id: string): string {
  return `https://drive.google.com/file/d/${id}/view`;
}

/** Where the page's "download anyway" leads, or undefined where it has none. */
export function confirmedAddress(page: string, address: string): string | undefined {
  const form = /<form\b[^>]*\bid="download-form"[^>]*>[\s\S]*?<\/form>/i.exec(page)?.[0];
  if (form !== undefined) {
    const action = attribute(form, 'action');
    if (action === undefined) return undefined;
    const url = new URL(action, address);
    for (const [input] of form.matchAll(/<input\b[^>]*>/gi)) {
      const [name, value] = [attribute(input, 'name'), attribute(input, 'value')];
      if (name !== undefined) url.searchParams.set(name, value ?? '');
    }
    return url.href;
  }
  const link = /href="([^"]*[?&](?:amp;)?confirm=[^"]*)"/i.exec(page)?.[1];
  return link === undefined ? undefined : new URL(decoded(link), address).href;
}

/** What a page without a way on says. */
export function driveRefusal(page: string): string {
  if (/quota exceeded|too many users have viewed or downloaded/i.test(page)) {
    return 'Google Drive refuses: the file was downloaded too often (quota), try again in a day or copy it to your own Drive';
  }
  const title = /<title>([^<]*)<\/title>/i.exec(page)?.[1]?.trim();
  return `Google Drive sent a page instead of the file${title ? ` ('${decoded(title)}')` : ''}`;
}

function attribute(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(tag)?.[1];
  return value === undefined ? undefined : decoded(value);
}

function decoded(html: string): string {
  return html
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
}
