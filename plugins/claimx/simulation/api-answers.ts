import type { Spelling } from './spelling.ts';
import type { Media, Person, Project, Task, TaskTemplate, Video } from './state.ts';

/** What the API says of its state, in its own names and in one of its spellings. */

export function projectAnswer(project: Project, spell: Spelling): unknown {
  const answer = {
    project: {
      projectId: spell.id(project.id),
      projectNumber: spell.text(project.number),
      mfn: spell.text(project.masterFileName),
      secondaryNumber: spell.text(project.secondaryNumber),
      createdDate: spell.instant(project.createdDate),
      status: spell.text(project.status),
      dateOfLoss: spell.instant(project.dateOfLoss),
      typeOfLoss: spell.text(project.typeOfLoss),
      causeOfLoss: spell.text(project.causeOfLoss),
      lossDescription: spell.text(project.lossDescription),
      yearBuilt: 1994,
      customerInformation: project.policyholder === null ? null : customer(project.policyholder, spell),
      address: {
        street1: spell.text(project.street),
        street2: null,
        city: spell.text(project.city),
        stateProvince: spell.text(project.state),
        zipPostcode: spell.text(project.postcode),
      },
      customAttribute1: spell.text(project.customAttribute),
      customAttribute2: null,
      customAttribute3: null,
    },
    teamMembers: project.team.map((member) => ({
      userName: member.userName,
      primaryContact: spell.flag(member.isPrimary),
      mfn: spell.text(member.mfn),
    })),
    companyName: 'Example Mutual',
  };
  return spell.wrapped(answer, 'data');
}

function customer({ email, firstName, lastName, phone, countryCode }: Person, spell: Spelling): unknown {
  return {
    firstName: spell.text(firstName),
    lastName: spell.text(lastName),
    emails: [
      { emailAddress: 'alt@example.test', primary: false },
      { emailAddress: email, primary: true },
    ],
    phones: phone === null ? null : [null, { phoneNumber: phone, phoneCountryCode: spell.number(countryCode) }],
  };
}

export function mediaAnswer(media: readonly { readonly media: Media; readonly link: string | null }[], spell: Spelling): unknown {
  const items = media.map(({ media: { id, kind, name, description, comment, latitude, longitude, takenDate }, link }) => ({
    mediaID: spell.id(id),
    taskAssignmentId: null,
    mediaType: kind,
    mediaName: name,
    mediaDescription: spell.text(description),
    mediaComment: spell.text(comment),
    latitude: latitude === null ? null : Number(latitude),
    longitude: longitude === null ? null : Number(longitude),
    gpsSource: latitude === null ? null : 'DEVICE',
    takenDate: spell.text(takenDate),
    fullDownloadLink: link,
    expiresAt: null,
  }));
  return spell.wrapped(spell.list(items), 'data', 'media');
}

export function taskAnswer(task: Task, spell: Spelling): unknown {
  const { assignmentId, template, project, assigneeId, dateAssigned, dateCompleted, status, link } = task;
  const answer = {
    assignmentId: spell.id(assignmentId),
    taskId: spell.id(template.id),
    taskName: template.name,
    projectId: spell.id(project.id),
    assigneeId: spell.id(assigneeId),
    assignorId: '88',
    dateAssigned: spell.instant(dateAssigned),
    dateCompleted: spell.instant(dateCompleted),
    status: spell.text(status),
    stpEnabled: spell.flag(true),
    mfn: spell.text(null),
    customTask: templateAnswer(template, spell),
    externalLinkData:
      link === null
        ? null
        : {
            linkId: spell.id(link.id),
            linkCode: link.code,
            url: link.url,
            notificationAccessMethod: 'EMAIL',
            countryId: 1,
            stateId: spell.number(44),
            email: link.person.email,
            firstName: spell.text(link.person.firstName),
            lastName: spell.text(link.person.lastName),
            phone: spell.text(link.person.phone),
            phoneCountryCode: link.person.phone === null ? null : spell.number(link.person.countryCode),
          },
  };
  return spell.wrapped(answer, 'data');
}

function templateAnswer(template: TaskTemplate, spell: Spelling): unknown {
  return {
    taskId: spell.id(template.id),
    compId: spell.id(template.companyId),
    name: spell.text(template.name),
    description: null,
    formId: template.formId,
    formName: template.name,
    enabled: spell.flag(true),
    default: spell.flag(false),
    isManualDelivery: spell.flag(template.isManual),
    isExternalLinkDelivery: spell.flag(template.sendsLink),
    providePortalAccess: spell.flag(true),
    notifyAssignedSendRecipient: spell.flag(true),
    notifyAssignedSendRecipientSms: spell.flag(false),
    notifyAssignedSubject: 'Task for you',
    notifyTaskCompleted: spell.flag(true),
    notifyCompletedSubject: 'Done',
    allowReSubmit: spell.flag(true),
    autoGeneratePdf: spell.flag(false),
    modifiedBy: 'admin@example.test',
    modifiedById: spell.id('1'),
    modifiedDate: spell.instant(template.modifiedDate),
  };
}

export function videoAnswer(videos: readonly Video[], spell: Spelling): unknown {
  const items = videos.map((video) => ({
    videoCollaborationId: spell.id(video.id),
    claimId: spell.id(video.project.id),
    mfn: null,
    claimNumber: video.claimNumber,
    policyNumber: 'POL-42',
    emailUserName: 'adjuster.one@example.test',
    claimRepFirstName: spell.text(video.representative.first),
    claimRepLastName: spell.text(video.representative.last),
    claimRepFullName: spell.text(null),
    numberOfVideos: spell.number(video.numberOfVideos),
    numberOfPhotos: spell.number(video.numberOfPhotos),
    numberOfViewers: 1,
    sessionCount: spell.number(video.sessionCount),
    totalTimeSeconds: video.totalSeconds,
    totalTime: null,
    createdDate: spell.instant(video.createdDate),
    liveCallFirstSession: spell.instant(video.lastSession),
    liveCallLastSession: spell.instant(video.lastSession),
    companyId: spell.id('12'),
    companyName: 'Example Mutual',
    guid: video.guid,
  }));
  return spell.wrapped(spell.list(items), 'data', 'collaborations', 'videoCollaboration');
}
