// Says what a device that keeps lessons offline has to fetch and may delete. See docs/offline-lessons.md.

/**
 * @typedef {{ id: string, lesson: string | null, name: string, url: string, size: number, sha256: string, media_type: string, priority: number }} ManifestAsset
 * @typedef {{ course: string, version: number, total_bytes: number, assets: ManifestAsset[] }} Manifest
 * @typedef {{ fetch: ManifestAsset[], bytes: number, remove: string[] }} Plan
 */

/**
 * Compares the manifests of all courses that a device keeps, as GET /v2/courses/{id}/manifest gave them, with the files that it holds. It changes nothing.
 * @param {Manifest[]} manifests without those of courses that the reader lost: their files go, unless another course has them.
 * @param {Iterable<string>} held the SHA-256 of each file that was fetched whole and compared.
 * @returns {Plan} what to fetch, in this order, each file once; how many bytes that is; and the SHA-256 of what was superseded.
 */
export function planFiles(manifests, held) {
  const there = new Set(held);
  const wanted = new Set();
  /** @type {ManifestAsset[]} */
  const missing = [];
  for (const manifest of manifests) {
    for (const asset of manifest.assets) {
      if (!wanted.has(asset.sha256) && !there.has(asset.sha256)) missing.push(asset);
      wanted.add(asset.sha256);
    }
  }
  return {
    fetch: missing,
    bytes: missing.reduce((sum, asset) => sum + asset.size, 0),
    remove: [...there].filter((sha256) => !wanted.has(sha256)),
  };
}
