// A body section specifier, what stands between the brackets of BODY[…] (RFC 9051 6.4.5.1).

export interface BodySection {
  /** Part numbers, empty for the message itself. */
  readonly part: readonly number[];
  /** `mime` only with a part. */
  readonly text: 'whole' | 'header' | 'headerFields' | 'headerFieldsNot' | 'text' | 'mime';
  /** For headerFields and headerFieldsNot, in lower case; else empty. */
  readonly fields: readonly string[];
}

/** Deeper parts are refused: the MIME parser does not nest so deep. */
export const partDepthMax = 100;
/** Header names in one HEADER.FIELDS list. */
export const headerFieldsMax = 200;
