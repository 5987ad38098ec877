#include "io/address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

socklen_t address_to_sockaddr(const struct net_addr *a, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (a->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof *in;
    }
    ASSERT(a->family == 6);
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof *in6;
}

bool address_from_sockaddr(const struct sockaddr_storage *from, enum net_proto proto, struct net_addr *out) {
    memset(out, 0, sizeof *out);
    out->proto = (uint8_t)proto;
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        out->family = 4;
        out->port = ntohs(in->sin_port);
        memcpy(out->ip, &in->sin_addr, 4);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    out->port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        out->family = 4;
        memcpy(out->ip, in6->sin6_addr.s6_addr + 12, 4);
    } else {
        out->family = 6;
        memcpy(out->ip, &in6->sin6_addr, 16);
    }
    return true;
}

size_t address_interfaces(struct address_interface *out, size_t max) {
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        return 0;
    size_t count = 0;
    for (const struct ifaddrs *i = list; i != NULL && count < max; i = i->ifa_next) {
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
            continue;
        struct sockaddr_storage storage;
        memset(&storage, 0, sizeof storage);
        if (i->ifa_addr->sa_family == AF_INET)
            memcpy(&storage, i->ifa_addr, sizeof(struct sockaddr_in));
        else if (i->ifa_addr->sa_family == AF_INET6)
            memcpy(&storage, i->ifa_addr, sizeof(struct sockaddr_in6));
        else
            continue;
        if (storage.ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)&storage)->sin6_addr))
            continue;
        struct address_interface *to = &out[count];
        if (!address_from_sockaddr(&storage, NET_UDP, &to->addr))
            continue;
        (void)snprintf(to->name, sizeof to->name, "%s", i->ifa_name);
        to->loopback = (i->ifa_flags & IFF_LOOPBACK) != 0;
        count++;
    }
    freeifaddrs(list);
    return count;
}

struct net_addr address_client(const struct net_addr *a) {
    struct net_addr client = {.family = a->family};
    memcpy(client.ip, a->ip, a->family == 4 ? 4 : 8);
    return client;
}

const char *address_bind_advice(int number) {
    return number == EADDRINUSE      ? "; another program uses it, stop that one or choose another port"
           : number == EACCES        ? "; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)"
           : number == EADDRNOTAVAIL ? "; this machine has no such address"
                                     : "";
}
