using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Reflection;

namespace VmCrypt.Commands.Host;

/// <summary>PowerShell takes parameters of more than one object as a dictionary, into which it puts their values.</summary>
public sealed partial class ParameterGroups : RuntimeDefinedParameterDictionary
{
    private IEnumerable<(object Group, PropertyInfo Property)> Parameters =>
        from shared in Groups
        from property in shared.GetType().GetProperties()
        where property.IsDefined(typeof(ParameterAttribute))
        select (shared, property);

    partial void Declare()
    {
        foreach ((_, PropertyInfo property) in Parameters)
        {
            Add(property.Name, new RuntimeDefinedParameter(property.Name, property.PropertyType, new Collection<Attribute>([.. property.GetCustomAttributes()])));
        }
    }

    partial void TakeValues()
    {
        foreach ((object group, PropertyInfo property) in Parameters.Where(parameter => this[parameter.Property.Name].IsSet))
        {
            property.SetValue(group, this[property.Name].Value);
        }
    }
}
