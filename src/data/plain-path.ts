/**
 * Names in archives and manifests that can be written below a folder and nowhere else: relative, with `/` between the
 * parts, none of them empty, `.` or `..`, and without what some file system reads as something else (a drive's letter,
 * a backslash, a control character).
 */
export function isPlainPath(path: string): boolean {
  if (path.length > 1024 || /^[A-Za-z]:/.test(path)) return false;

  if (/[\\\u0000-\u001f]/.test(path)) return false;
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255);
}
