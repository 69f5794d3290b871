import type { ColumnExpression } from '@pipeline-host/sdk';

/** Where a column comes from, in words: `data.claim.number as text`, `first of eventId, SHA-1 of traceId`. */
export function sourceWords(expression: ColumnExpression): string {
  return expression.kind === 'text' ? `${expression.path} as text` : operandWords(expression);
}

/** As part of another source, where `as text` goes without saying. */
function operandWords(expression: ColumnExpression): string {
  switch (expression.kind) {
    case 'text':
      return expression.path;
    case 'json':
      return `${expression.path} as JSON`;
    case 'message':
      return 'the whole message';
    case 'joined':
      return `${expression.path} joined by ${JSON.stringify(expression.separator)}`;
    case 'last-part':
      return `what follows the last ${JSON.stringify(expression.separator)} of ${enclosed(expression.of)}`;
    case 'day':
      return `UTC day of ${enclosed(expression.of)}`;
    case 'first-of':
      return `first of ${expression.of.map(enclosed).join(', ')}`;
    case 'concat':
      return expression.of.map(enclosed).join(' followed by ');
    case 'sha1':
      return `SHA-1 of ${enclosed(expression.of)}`;
    case 'sha256':
      return `SHA-256 of ${enclosed(expression.of)}`;
    case 'uuid5':
      return `uuid5(${expression.namespace}) of ${enclosed(expression.of)}`;
    case 'constant':
      return `always ${JSON.stringify(expression.value)}`;
    case 'written-at':
      return 'time of the write';
  }
}

/** A list of sources in parentheses, so that what follows it is not taken for a part of it. */
function enclosed(expression: ColumnExpression): string {
  const words = operandWords(expression);
  return expression.kind === 'first-of' || expression.kind === 'concat' ? `(${words})` : words;
}
