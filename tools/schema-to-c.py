#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns schema/cim/<namespace>/<Class>.txt into the constant tables of src/cim/schema.h.

usage: schema-to-c.py SCHEMA-DIR OUT.c DEPFILE

The format is described in schema/cim/README.md.  Anything it does not allow is an
error with file and line: a typing mistake must not become a silent fact.
"""

import os
import re
import sys

TYPES = {
    'boolean', 'uint8', 'uint16', 'uint32', 'uint64', 'sint8', 'sint16', 'sint32', 'sint64',
    'real32', 'real64', 'char16', 'string', 'datetime', 'reference', 'object',
}
# A folder name has lost its '/': these are the namespaces as hosts spell them.
NAMESPACES = {
    'root-cimv2': 'root/cimv2',
    'root-default': 'root/default',
    'root-MSCluster': 'root/MSCluster',
    'root-Microsoft-Windows-Storage': 'root/Microsoft/Windows/Storage',
    'root-virtualization-v2': 'root/virtualization/v2',
}
NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*\Z')
TYPE = re.compile(r'([a-z0-9]+)(\[\])?(?:<([A-Za-z_][A-Za-z0-9_]*)>)?\Z')


class SchemaError(Exception):
    pass


def check_name(word):
    if not NAME.match(word):
        raise SchemaError("'%s' is not a name" % word)
    return word


def parse_type(word):
    m = TYPE.match(word)
    if not m or m.group(1) not in TYPES:
        raise SchemaError("'%s' is not a type" % word)
    return {'type': m.group(1), 'array': bool(m.group(2)), 'of': m.group(3)}


def parse_flags(words, allowed):
    flags = {}
    for word in words:
        name, _, value = word.partition('=')
        if name not in allowed or name in flags:
            raise SchemaError("unexpected '%s'" % word)
        flags[name] = int(value) if value else True
    return flags


def parse_line(cls, line):
    words = line.split()
    kind, rest = words[0], words[1:]
    if kind == 'class':
        if len(rest) not in (1, 3) or (len(rest) == 3 and rest[1] != ':'):
            raise SchemaError('class NAME [: SUPERCLASS]')
        cls['name'] = check_name(rest[0])
        cls['super'] = check_name(rest[2]) if len(rest) == 3 else None
    elif kind == 'source':
        cls['source'] = line.split(None, 1)[1].strip()
    elif kind == 'note':
        pass
    elif kind == 'is':
        cls['is'] = parse_flags(rest, ('abstract', 'association', 'singleton'))
    elif kind == 'since':
        cls['since'] = int(rest[0])
    elif kind == 'keys':
        cls['keys'] = [] if rest == ['none'] else rest
    elif kind == 'also-keys':
        cls['also'] = rest
    elif kind == 'property':
        p = parse_type(rest[1])
        p['name'] = check_name(rest[0])
        p['flags'] = parse_flags(rest[2:], ('key', 'write', 'since', 'until'))
        if p['name'].lower() in cls['properties']:
            raise SchemaError("property '%s' twice" % p['name'])
        cls['properties'][p['name'].lower()] = p
    elif kind == 'method':
        m = {'name': check_name(rest[0]), 'params': [],
             'flags': parse_flags(rest[2:], ('static', 'since', 'until'))}
        if rest[1] not in TYPES and rest[1] != 'void':
            raise SchemaError("'%s' is not a type" % rest[1])
        if m['name'].lower() in cls['methods']:
            raise SchemaError("method '%s' twice" % m['name'])
        cls['methods'][m['name'].lower()] = cls['last'] = m
    elif kind in ('in', 'out', 'inout'):
        if not cls['last'] or len(rest) != 2:
            raise SchemaError('a parameter is: in|out|inout NAME TYPE, below its method')
        p = parse_type(rest[1])
        p.update(name=check_name(rest[0]), dir=kind)
        cls['last']['params'].append(p)
    else:
        raise SchemaError("unknown word '%s'" % kind)


def parse_file(path, ns):
    cls = {'ns': ns, 'is': {}, 'since': 0, 'keys': None, 'also': [], 'last': None,
           'properties': {}, 'methods': {}}
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith('#'):
                continue
            try:
                parse_line(cls, line)
            except (SchemaError, ValueError, IndexError) as e:
                sys.exit('%s:%d: %s' % (path, number, e))
    for need in ('name', 'source'):
        if need not in cls:
            sys.exit('%s: no %s line' % (path, need))
    if cls['name'] + '.txt' != os.path.basename(path):
        sys.exit("%s: holds class '%s'" % (path, cls['name']))
    return cls


def flatten(cls, classes, path):
    """All properties and methods by lower-case name, inherited ones included."""
    if 'all' in cls:
        return
    props, methods = {}, {}
    base = classes.get((cls['ns'], (cls['super'] or '').lower()))
    if base:
        if base in path:
            sys.exit("class '%s' inherits from itself" % cls['name'])
        flatten(base, classes, path + [cls])
        props = {n: dict(p) for n, p in base['all'].items()}
        methods = dict(base['all_methods'])
    for n, p in cls['properties'].items():
        inherited = props.get(n)
        props[n] = {
            'name': p['name'], 'type': p['type'], 'array': p['array'],
            'of': p['of'] or (inherited['of'] if inherited else None),
            'key': 'key' in p['flags'] or bool(inherited and inherited['key']),
            'write': 'write' in p['flags'],
            'since': p['flags'].get('since', 0),
        }
    methods.update(cls['methods'])
    for k in cls['also']:
        if k.lower() not in props:
            sys.exit("class '%s': key '%s' is no property" % (cls['name'], k))
        props[k.lower()]['key'] = True
    if cls['keys'] is not None:
        keys = {k.lower() for k in cls['keys']}
        for k in keys - set(props):
            sys.exit("class '%s': key '%s' is no property" % (cls['name'], k))
        for n, p in props.items():
            p['key'] = n in keys
    cls['all'], cls['all_methods'] = props, methods


def c_text(text):
    if text is None:
        return '0'
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


class Tables:
    """Equal tables are written once: most classes inherit without adding."""

    def __init__(self, out):
        self.out, self.seen = out, {}

    def put(self, kind, prefix, rows):
        if not rows:
            return '0'
        key = (kind, tuple(rows))
        if key not in self.seen:
            name = self.seen[key] = '%s%d' % (prefix, len(self.seen))
            self.out.append('static const struct %s %s[] = {\n%s\n};' %
                            (kind, name, '\n'.join(rows)))
        return self.seen[key]


def name_hash(name):
    """FNV-1a without case, as schema.c computes it."""
    h = 0x811c9dc5
    for byte in name.lower().encode():
        h = (h ^ byte) * 0x01000193 & 0xffffffff
    return h


def write_places(names, out):
    """A hash table of 1 + index, with linear probing; at most half full."""
    size = 64
    while size < 2 * len(names):
        size *= 2
    places = [0] * size
    for i, name in enumerate(names):
        at = name_hash(name) % size
        while places[at]:
            at = (at + 1) % size
        places[at] = i + 1
    out.append('const unsigned short cim_schema_places[] = {%s};' %
               ','.join(map(str, places)))
    out.append('const size_t cim_schema_place_count = %d;' % size)


def write_tables(classes, out):
    tables = Tables(out)
    rows = []
    ordered = sorted(classes.values(), key=lambda c: (c['name'].lower(), c['ns'].lower()))
    place = {(c['ns'], c['name'].lower()): i for i, c in enumerate(ordered)}
    for cls in ordered:
        props = ['{%s,CIM_%s,%d,%d,%d,%s,%d},' %
                 (c_text(p['name']), p['type'].upper(), p['array'], p['key'], p['write'],
                  c_text(p['of']), p['since'])
                 for _, p in sorted(cls['all'].items())]
        methods = []
        for _, m in sorted(cls['all_methods'].items()):
            params = ['{%s,CIM_%s,%d,%d,%d,%s},' %
                      (c_text(p['name']), p['type'].upper(), p['array'],
                       'in' in p['dir'], 'out' in p['dir'], c_text(p['of']))
                      for p in m['params']]
            methods.append('{%s,%s,%d,%d},' % (
                c_text(m['name']), tables.put('cim_class_parameter', 'a', params), len(params),
                'static' in m['flags']))
        parent = place.get((cls['ns'], (cls['super'] or '').lower()))
        rows.append('{%s,%s,%s,%d,%d,%s,%d,%s,%d,%s,%s},' % (
            c_text(cls['ns']), c_text(cls['name']), c_text(cls['super']),
            'association' in cls['is'], cls['since'],
            tables.put('cim_class_property', 'p', props), len(props),
            tables.put('cim_class_method', 'm', methods), len(methods), c_text(cls['source']),
            '0' if parent is None else '&cim_schema_classes[%d]' % parent))
    out.append('const struct cim_class cim_schema_classes[] = {\n%s\n};' % '\n'.join(rows))
    out.append('const size_t cim_schema_class_count = %d;' % len(rows))
    write_places([c['name'] for c in ordered], out)


def main():
    top, out_path, dep_path = sys.argv[1:]
    classes, deps = {}, [top]
    for folder in sorted(os.listdir(top)):
        full = os.path.join(top, folder)
        if not os.path.isdir(full):
            continue
        if folder not in NAMESPACES:
            sys.exit("%s: add the namespace to NAMESPACES in %s" % (full, sys.argv[0]))
        deps.append(full)
        for name in sorted(os.listdir(full)):
            if not name.endswith('.txt'):
                continue
            path = os.path.join(full, name)
            cls = parse_file(path, NAMESPACES[folder])
            classes[(cls['ns'], cls['name'].lower())] = cls
            deps.append(path)
    for cls in classes.values():
        flatten(cls, classes, [])

    out = ['/* Made by tools/schema-to-c.py from schema/cim/; do not edit. */',
           '#include "schema-table.h"']
    write_tables(classes, out)
    with open(out_path, 'w', encoding='utf-8') as f:
        f.write('\n'.join(out) + '\n')
    with open(dep_path, 'w', encoding='utf-8') as f:
        f.write('%s: %s\n' % (out_path, ' '.join(d.replace(' ', '\\ ') for d in deps)))


if __name__ == '__main__':
    main()
