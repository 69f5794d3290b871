/** Environment: addresses of an Apache Kafka that the test files of one run share. */
export const SHARED_BROKER = 'PH_TEST_SHARED_BROKER';
