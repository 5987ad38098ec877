/* Where lines of libwebsockets go: nowhere, unless the operator turned personal data on, since they may hold addresses. */
#ifndef CONCLAVE_SERVER_LIBRARY_LOG_H
#define CONCLAVE_SERVER_LIBRARY_LOG_H

/* Before any context of the library is made; again is harmless. */
void library_log_setup(void);

#endif
