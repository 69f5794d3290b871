/** Messages as senders write them. Ids, paths and links are invented. */

export const TRACE = '7f0c8a52-4b0e-4a64-9f0b-2d1f9f2f7c11';
export const MEDIA = '35fb3029-9e0c-59b9-99fc-69930d36631a';
const HOST = 'https://usw2-prod-xn-exportreceiver-publish.s3.us-west-2.amazonaws.com';
export const URL_OF_REPORT = `${HOST}/a1/loss_report.pdf?X-Amz-Date=20260105T142205Z&X-Amz-Expires=86400`;
const BLOB_PATH = `documentsReceived/04XQ7PK/${TRACE}/04XQ7PK_loss_report.pdf`;

/** A row of the source table with its payload as an object. */
export const rowWithObject = {
  type: 'verisk.claims.property.xn.documentsReceived',
  version: 1,
  utcDateTime: '2026-01-05T14:22:07Z',
  traceId: TRACE,
  data: {
    assignmentId: '04XQ7PK',
    originalAssignmentId: '04XQ7PA',
    description: 'Documents received from field adjuster',
    xnAddress: 'SOME.CARRIER.XN',
    carrierId: '4400212',
    dateTime: '2026-01-05T07:22:07',
    adm: { coverageLoss: { claimNumber: 'CLM-88120' } },
    contact: {
      type: 'Insured',
      name: 'Rosa Ibarra',
      contactMethods: {
        phone: { type: 'Mobile', number: '5125550182', extension: null },
        email: { address: 'rosa.ibarra@example.test' },
      },
    },
    attachments: [`${URL_OF_REPORT}&X-Amz-Signature=abc`],
  },
};

const URL_OF_PACKAGE = `${HOST}/b2/package.esx?X-Amz-Date=20260105T150140Z&X-Amz-Expires=86400`;

/** A row with its payload as text, a version in digits and blanks among the attachments. */
export const rowWithText = {
  type: 'verisk.claims.property.xn.estimatePackageReceived',
  version: '2',
  utcDateTime: '2026-01-05T15:01:44.512Z',
  traceId: 'e3d1b6c0-94a6-4d54-8d3a-51d6a0f6cc02',
  data: JSON.stringify({ assignmentId: '04XQ7PK', estimateVersion: '3', attachments: [URL_OF_PACKAGE, '', null] }),
};

export const eventMessages = [
  {
    type: 'verisk.claims.property.xn.documentsReceived',
    version: 1,
    utcDateTime: '2026-01-05T14:22:07Z',
    traceId: TRACE,
    eventId: '454e8297-567d-5dc5-b971-73a35567378b',
    data: { assignmentId: '04XQ7PK', description: 'Documents received', attachments: [URL_OF_REPORT] },
  },
  {
    type: 'verisk.claims.property.xn.assignmentAccepted',
    version: '2',
    utcDateTime: '2026-01-05T09:10:00.250Z',
    traceId: '0f2f5c3e-11aa-4c0f-bb3a-9a8d7c6b5a40',
    eventId: null,
    data: {},
  },
];

export const downloadTask = {
  trace_id: TRACE,
  media_id: MEDIA,
  attachment_url: URL_OF_REPORT,
  blob_path: BLOB_PATH,
  status_subtype: 'documentsReceived',
  file_type: 'PDF',
  assignment_id: '04XQ7PK',
  estimate_version: null,
  retry_count: 0,
  event_type: 'xact',
  event_subtype: 'documentsReceived',
  original_timestamp: '2026-01-05T14:22:07+00:00',
  metadata: {},
};

export const failedDownload = {
  trace_id: TRACE,
  media_id: MEDIA,
  attachment_url: URL_OF_REPORT,
  original_task: {
    ...downloadTask,
    retry_count: 4,
    metadata: { last_error: 'HTTP 503', error_category: 'transient', retry_at: '2026-01-05T15:38:00+00:00' },
  },
  final_error: 'HTTP 503',
  error_category: 'transient',
  retry_count: 4,
  failed_at: '2026-01-05T15:38:04.220000+00:00',
};

export const cachedDownload = {
  trace_id: TRACE,
  media_id: MEDIA,
  attachment_url: URL_OF_REPORT,
  destination_path: BLOB_PATH,
  local_cache_path: `/var/cache/pipeline/${TRACE}/04XQ7PK_loss_report.pdf`,
  bytes_downloaded: 482113,
  content_type: 'application/pdf',
  event_type: 'xact',
  event_subtype: 'documentsReceived',
  status_subtype: 'documentsReceived',
  file_type: 'PDF',
  assignment_id: '04XQ7PK',
  original_timestamp: '2026-01-05T14:22:07+00:00',
  downloaded_at: '2026-01-05T14:22:15.700410+00:00',
  metadata: {},
};

export const completedResult = {
  trace_id: TRACE,
  media_id: MEDIA,
  attachment_url: URL_OF_REPORT,
  blob_path: BLOB_PATH,
  status_subtype: 'documentsReceived',
  file_type: 'PDF',
  assignment_id: '04XQ7PK',
  status: 'completed',
  http_status: null,
  bytes_downloaded: 482113,
  retry_count: 0,
  error_message: null,
  created_at: '2026-01-05T14:22:17.004000+00:00',
  expires_at: null,
  expired_at_ingest: null,
};

export const failedResult = {
  ...completedResult,
  trace_id: rowWithText.traceId,
  media_id: 'fcef8891-54e9-5279-b60a-9c6536f13a04',
  attachment_url: `${HOST}/b2/package.esx?X-Amz-Date=20260103T150140Z&X-Amz-Expires=86400`,
  blob_path: `estimatePackageReceived/04XQ7PK/${rowWithText.traceId}/04XQ7PK_3_package.esx`,
  status_subtype: 'estimatePackageReceived',
  file_type: 'ESX',
  status: 'failed_permanent',
  bytes_downloaded: 0,
  error_message: 'Validation failed: Presigned URL expired',
  created_at: '2026-01-05T15:02:00+00:00',
};
