#include "server/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum status privileges_drop(const char *user, struct error *err) {
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (!entry)
        return error_set(err, STATUS_INTERNAL, "there is no user %.100s", user);
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (geteuid() == uid && uid != 0)
        return STATUS_OK;
    if (uid == 0)
        return error_set(err, STATUS_INTERNAL, "%.100s is root", user);
    if (geteuid() != 0)
        return error_set(err, STATUS_INTERNAL, "only root can become %.100s", user);
    if (initgroups(user, gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
        return error_set(err, STATUS_INTERNAL, "cannot become %.100s: %.60s", user,
                         strerror(errno));
    if (setuid(0) == 0) /* a kernel or container that keeps a way back */
        return error_set(err, STATUS_INTERNAL, "%.100s can become root again", user);
    return STATUS_OK;
}

void privileges_keep_down(void) { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

void privileges_settle_dumps(bool allowed) {
#if defined(__SANITIZE_ADDRESS__)
    allowed = true;
#endif
    prctl(PR_SET_DUMPABLE, allowed, 0, 0, 0);
}

bool privileges_allow_dumps(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1; }
