/** Messages and API answers as their senders write them. Ids, names and links are invented. */

export const PROJECT = '5512034';
/** Hash of what the file event below is about. */
export const TRACE = '144a148b0cb7152ef447091c271de307f4818e96b786e2113f5a24221838a3a5';
const TASK_TRACE = '2b9f01df3a7540d99a1715bd83fefe41a2e8f6a1592e6ad4a818e36eebd52bf8';
export const LINK =
  'https://xactware-claimx-us-prod.s3.us-west-1.amazonaws.com/p/5512034/roof_01.jpg?X-Amz-Date=20260105T100004Z&X-Amz-Expires=3600';

/** Rows of the source table: snake and camel case, with and without an id of their own. */
export const sourceRows = [
  {
    event_id: 'cx-evt-90017',
    event_type: 'PROJECT_FILE_ADDED',
    project_id: PROJECT,
    ingested_at: '2026-01-05T10:00:00+00:00',
    media_id: '88231190',
    task_assignment_id: null,
    video_collaboration_id: null,
    master_file_name: null,
  },
  { eventType: 'CUSTOM_TASK_COMPLETED', projectId: 5512034, ingestedAt: '2026-01-05T10:04:31.220Z', taskAssignmentId: 7741025 },
  { event_type: 'PROJECT_MFN_ADDED', project_id: PROJECT, ingested_at: '2026-01-05T10:09:00Z', master_file_name: '04XQ7PK' },
] as const;

export const oldEvent = {
  event_id: 'cx-evt-90017',
  event_type: 'PROJECT_FILE_ADDED',
  project_id: PROJECT,
  ingested_at: '2026-01-05T10:00:00Z',
  media_id: '88231190',
  task_assignment_id: null,
  video_collaboration_id: null,
  master_file_name: null,
  raw_data: { ...sourceRows[0], ingestion_time: '2026-01-05T10:00:03.112000+00:00' },
};

export const newEvent = {
  trace_id: '33c52d471929260a4cf1716b98e2899f8a1271450adafab8533a598f4e0faed9',
  event_type: 'VIDEO_COLLABORATION_COMPLETED',
  project_id: PROJECT,
  ingested_at: '2026-01-05T11:40:09.550000Z',
  media_id: null,
  task_assignment_id: null,
  video_collaboration_id: '30099',
  master_file_name: null,
  raw_data: null,
};

export const enrichmentTasks = [
  {
    trace_id: TRACE,
    event_type: 'PROJECT_FILE_ADDED',
    project_id: PROJECT,
    retry_count: 0,
    created_at: '2026-01-05T10:00:05.310000+00:00',
    media_id: '88231190',
    task_assignment_id: null,
    video_collaboration_id: null,
    master_file_name: null,
    metadata: null,
  },
  {
    trace_id: TASK_TRACE,
    event_type: 'CUSTOM_TASK_ASSIGNED',
    project_id: PROJECT,
    retry_count: 2,
    created_at: '2026-01-05T10:04:32+00:00',
    media_id: null,
    task_assignment_id: '7741025',
    video_collaboration_id: null,
    master_file_name: null,
    metadata: { last_error: 'Server error (503)', error_category: 'transient', retry_at: '2026-01-05T10:20:00+00:00' },
  },
] as const;

export const failedEnrichment = {
  trace_id: TASK_TRACE,
  event_type: 'CUSTOM_TASK_ASSIGNED',
  project_id: PROJECT,
  original_task: { ...enrichmentTasks[1], retry_count: 4 },
  final_error: 'Server error (503)',
  error_category: 'transient',
  retry_count: 4,
  failed_at: '2026-01-05T11:20:07+00:00',
};

export const downloadTask = {
  media_id: '88231190',
  project_id: PROJECT,
  download_url: LINK,
  blob_path: '5512034/media/roof_01.jpg',
  file_type: 'jpg',
  file_name: 'roof_01.jpg',
  trace_id: TRACE,
  retry_count: 0,
  expires_at: '2026-01-05T11:00:04Z',
  refresh_count: 0,
  metadata: null,
};

export const failedDownload = {
  trace_id: TRACE,
  media_id: '88231190',
  project_id: PROJECT,
  download_url: LINK,
  blob_path: '5512034/media/roof_01.jpg',
  original_task: { ...downloadTask, refresh_count: 1, metadata: {} },
  final_error: 'HTTP 404',
  error_category: 'permanent',
  retry_count: 0,
  url_refresh_attempted: true,
  failed_at: '2026-01-05T11:05:00+00:00',
};

export const cachedDownload = {
  media_id: '88231190',
  project_id: PROJECT,
  download_url: LINK,
  destination_path: '5512034/media/roof_01.jpg',
  local_cache_path: '/var/cache/pipeline/claimx/88231190/roof_01.jpg',
  bytes_downloaded: 2210034,
  content_type: 'image/jpeg',
  file_type: 'jpg',
  file_name: 'roof_01.jpg',
  trace_id: TRACE,
  downloaded_at: '2026-01-05T10:00:09.770000+00:00',
};

export const uploadResult = {
  media_id: '88231190',
  project_id: PROJECT,
  download_url: LINK,
  blob_path: '5512034/media/roof_01.jpg',
  file_type: 'jpg',
  file_name: 'roof_01.jpg',
  trace_id: TRACE,
  status: 'completed',
  bytes_uploaded: 2210034,
  error_message: null,
  created_at: '2026-01-05T10:00:11.020000+00:00',
};

const written = { trace_id: TRACE, created_at: '2026-01-05T10:00:06.900000Z', updated_at: '2026-01-05T10:00:06.900000Z' };

export const entityRows = {
  trace_id: TRACE,
  event_type: null,
  project_id: null,
  projects: [
    {
      project_id: PROJECT,
      project_number: 'PN-7781',
      master_file_name: '04XQ7PK',
      secondary_number: null,
      created_date: '2026-01-04T18:00:00+00:00',
      status: 'Active',
      date_of_loss: '2026-01-02T00:00:00+00:00',
      type_of_loss: 'Hail',
      cause_of_loss: null,
      loss_description: null,
      customer_first_name: 'Rosa',
      customer_last_name: 'Ibarra',
      street1: '12 Elm Ct',
      city: 'Austin',
      state_province: 'TX',
      zip_postcode: '78701',
      primary_email: 'rosa.ibarra@example.test',
      primary_phone: '5125550182',
      custom_attribute1: null,
      custom_attribute2: null,
      custom_attribute3: null,
      ...written,
    },
  ],
  contacts: [
    {
      project_id: PROJECT,
      contact_email: 'rosa.ibarra@example.test',
      contact_type: 'POLICYHOLDER',
      first_name: 'Rosa',
      last_name: 'Ibarra',
      phone_number: '5125550182',
      phone_country_code: 1,
      is_primary_contact: true,
      master_file_name: null,
      task_assignment_id: null,
      video_collaboration_id: null,
      created_date: '2026-01-05',
      ...written,
      last_enriched_at: '2026-01-05T10:00:06.900000Z',
    },
  ],
  media: [
    {
      media_id: '88231190',
      project_id: PROJECT,
      task_assignment_id: null,
      file_type: 'jpg',
      file_name: 'roof_01.jpg',
      media_description: 'Roof north slope',
      media_comment: null,
      latitude: '30.2672',
      longitude: '-97.7431',
      gps_source: 'DEVICE',
      taken_date: '2026-01-04',
      full_download_link: LINK,
      expires_at: '2026-01-05T11:00:04Z',
      ...written,
      last_enriched_at: '2026-01-05T10:00:06.910000Z',
    },
  ],
  tasks: [],
  task_templates: [],
  external_links: [],
  video_collab: [],
};

// What the API answers.

export const projectAnswer = {
  data: {
    project: {
      projectId: 5512034,
      projectNumber: 'PN-7781',
      mfn: '04XQ7PK',
      secondaryNumber: null,
      createdDate: '2026-01-04T18:00:00Z',
      status: 'Active',
      dateOfLoss: '2026-01-02T00:00:00Z',
      typeOfLoss: 'Hail',
      causeOfLoss: 'Storm',
      lossDescription: 'Roof and gutters',
      yearBuilt: 1994,
      squareFootage: '2100',
      customerInformation: {
        firstName: 'Rosa',
        lastName: 'Ibarra',
        customBusinessName: null,
        businessLineType: 'Residential',
        emails: [
          { emailAddress: 'alt@example.test', primary: false },
          { emailAddress: 'rosa.ibarra@example.test', primary: true },
        ],
        phones: [{ phoneNumber: '5125550182', phoneCountryCode: 1 }],
      },
      address: {
        street1: '12 Elm Ct',
        street2: null,
        city: 'Austin',
        stateProvince: 'TX',
        zipPostcode: '78701',
        county: 'Travis',
        country: 'US',
      },
      customAttribute1: 'A1',
      customAttribute2: null,
      customAttribute3: null,
      customExternalUniqueId: null,
    },
    teamMembers: [{ userName: 'adjuster.one@example.test', primaryContact: true, mfn: '04XQ7PK' }],
    companyName: 'Example Mutual',
  },
};

export const mediaAnswer = [
  {
    mediaID: 88231190,
    taskAssignmentId: null,
    mediaType: 'jpg',
    mediaName: 'roof_01.jpg',
    mediaDescription: 'Roof north slope',
    mediaComment: null,
    latitude: 30.2672,
    longitude: -97.7431,
    gpsSource: 'DEVICE',
    takenDate: '2026-01-04',
    fullDownloadLink: LINK,
    expiresAt: '2026-01-05T11:00:04Z',
  },
];

export const taskAnswer = {
  assignmentId: 7741025,
  taskId: 3301,
  taskName: 'Contents inventory',
  formId: 'frm-19',
  projectId: 5512034,
  assigneeId: 210,
  assignorId: 88,
  assignor: 'adjuster.one@example.test',
  dateAssigned: '2026-01-05T10:03:00Z',
  dateCompleted: null,
  cancelledDate: null,
  status: 'ASSIGNED',
  stpEnabled: true,
  mfn: '04XQ7PK',
  url: 'https://claimx.example.test/task/7741025',
  customTask: {
    taskId: 3301,
    compId: 12,
    name: 'Contents inventory',
    description: null,
    formId: 'frm-19',
    formName: 'Contents',
    enabled: true,
    default: false,
    isManualDelivery: false,
    isExternalLinkDelivery: true,
    providePortalAccess: true,
    notifyAssignedSendRecipient: true,
    notifyAssignedSendRecipientSms: false,
    notifyAssignedSubject: 'Task for you',
    notifyTaskCompleted: true,
    notifyCompletedSubject: 'Done',
    allowReSubmit: true,
    autoGeneratePdf: false,
    modifiedBy: 'admin@example.test',
    modifiedById: 1,
    modifiedDate: '2025-11-30T09:00:00Z',
  },
  externalLinkData: {
    linkId: 66012,
    linkCode: 'ZX9-11',
    url: 'https://claimx.example.test/l/ZX9-11',
    notificationAccessMethod: 'EMAIL',
    countryId: 1,
    stateId: 44,
    email: 'rosa.ibarra@example.test',
    firstName: 'Rosa',
    lastName: 'Ibarra',
    phone: '5125550182',
    phoneCountryCode: 1,
  },
};

export const videoAnswer = {
  data: [
    {
      videoCollaborationId: 30099,
      claimId: 5512034,
      mfn: '04XQ7PK',
      claimNumber: 'CLM-88120',
      policyNumber: 'POL-42',
      emailUserName: 'adjuster.one@example.test',
      claimRepFirstName: 'Ari',
      claimRepLastName: 'Cole',
      claimRepFullName: null,
      numberOfVideos: 2,
      numberOfPhotos: 9,
      numberOfViewers: 1,
      sessionCount: 1,
      totalTimeSeconds: '754.25',
      totalTime: '12m 34s',
      createdDate: '2026-01-05T11:00:00Z',
      liveCallFirstSession: '2026-01-05T11:20:00Z',
      liveCallLastSession: '2026-01-05T11:33:00Z',
      companyId: 12,
      companyName: 'Example Mutual',
      guid: '1c7b',
    },
  ],
};
